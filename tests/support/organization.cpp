#include "tests/support/organization.h"

#include <cctype>

namespace parsec::testing {

// --- Device --------------------------------------------------------------------------------------

Map Device::answer(const Document& challenge, int version, const Map& changes) const {
  const Map fields{{"organization_id", organization_id},
                   {"device_id", id},
                   {"rvk", root_verify_key},
                   {"answer", key.sign(challenge["challenge"].octets())}};
  return handshake_answer(version, version == 2 ? "AUTHENTICATED" : "authenticated", fields)
      .with(changes);
}

Map user_certificates(const Device* author, const SigningKey& author_key, const Device& subject,
                      std::optional<DateTime> timestamp, const CertificateChanges& changes) {
  const Document author_id = author != nullptr ? Document(author->id) : Document();
  const DateTime at = timestamp.value_or(now());
  const Map user = user_content(author_id, at, subject.user_id(), subject.profile,
                                subject.human_handle, random_octets(32));
  const Map device =
      device_content(author_id, at, subject.id, subject.label, subject.key.verify_key());
  const Map contents[] = {user, device, user.with({{"human_handle", nullptr}}),
                          device.with({{"device_label", nullptr}})};
  Map made;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string_view name = certificate_names[i];
    const auto change = changes.content.find(name);
    const auto key = changes.keys.find(name);
    const Map content =
        change == changes.content.end() ? contents[i] : contents[i].with(change->second);
    made.set(name, (key == changes.keys.end() ? author_key : key->second).certify(content));
  }
  return made;
}

Map device_certificates(const Device& author, const Device& subject,
                        std::optional<DateTime> timestamp, const CertificateChanges& changes) {
  return user_certificates(author, subject, timestamp, changes)
      .without("user_certificate")
      .without("redacted_user_certificate");
}

// --- Session -------------------------------------------------------------------------------------

Session& Session::subscribe() {
  require("events_subscribe");
  return *this;
}

Map Session::next_event(Duration timeout, Where where) {
  const Document got = call("events_listen", {}, timeout, where);
  if (got["status"] != Document("ok")) throw ClientError("events_listen: " + to_text(got));
  return got.map().without("status");
}

Device Session::add_user(std::string_view name, std::string_view profile, const Document& human,
                         std::optional<DateTime> timestamp) {
  std::string label{name};
  label[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(label[0])));
  const Document handle =
      human.is<Anything>() ? list(std::string{name} + "@example.com", label) : human;
  Device subject = organization_->new_device(std::string{name} + "@dev1", profile, handle,
                                             std::string{name} + "'s first");
  subject.certificates = user_certificates(device_, subject, timestamp);
  require("user_create", subject.certificates);
  organization_->adopt(subject);
  return subject;
}

Device Session::add_device(std::string_view name) {
  Device subject = organization_->new_device(device_.user_id() + "@" + std::string{name},
                                             device_.profile, device_.human_handle,
                                             device_.user_id() + "'s " + std::string{name});
  subject.certificates = device_certificates(device_, subject);
  require("device_create", subject.certificates);
  organization_->adopt(subject);
  return subject;
}

Octets Session::revocation(std::string_view user_id, std::optional<DateTime> timestamp,
                           const Map& changes) const {
  return device_.key.certify(
      revocation_content(device_.id, timestamp.value_or(now()), user_id).with(changes));
}

Octets Session::revoke(std::string_view user_id) {
  Octets certificate = revocation(user_id);
  require("user_revoke", {{"revoked_user_certificate", certificate}});
  return certificate;
}

Octets Session::role(Uuid realm_id, std::string_view user_id, const Document& role,
                     std::optional<DateTime> timestamp, const Map& changes) const {
  return device_.key.certify(
      role_content(device_.id, timestamp.value_or(now()), realm_id, user_id, role).with(changes));
}

Uuid Session::create_realm(std::optional<Uuid> realm_id) {
  const Uuid id = realm_id.value_or(new_uuid());
  require("realm_create", {{"role_certificate", role(id, device_.user_id(), "OWNER")}});
  return id;
}

Octets Session::share(Uuid realm_id, std::string_view user_id, const Document& role,
                      const Document& message) {
  Octets certificate = this->role(realm_id, user_id, role);
  require("realm_update_roles",
          {{"role_certificate", certificate}, {"recipient_message", message}});
  return certificate;
}

void Session::start_reencryption(Uuid realm_id, const Map& participants, int revision) {
  require("realm_start_reencryption_maintenance", {{"realm_id", realm_id},
                                                   {"encryption_revision", revision},
                                                   {"timestamp", now()},
                                                   {"per_participant_message", participants}});
}

Document Session::reencrypt_everything(Uuid realm_id, int revision) {
  const Map realm{{"realm_id", realm_id}, {"encryption_revision", revision}};
  for (;;) {
    const Document batch =
        require("vlob_maintenance_get_reencryption_batch", realm.with({{"size", 1000}}))["batch"];
    Document saved =
        require("vlob_maintenance_save_reencryption_batch", realm.with({{"batch", batch}}));
    if (batch.array().size() < 1000) return saved;
  }
}

void Session::finish_reencryption(Uuid realm_id, int revision) {
  require("realm_finish_reencryption_maintenance",
          {{"realm_id", realm_id}, {"encryption_revision", revision}});
}

Uuid Session::create_vlob(Uuid realm_id, const Octets& blob, std::optional<Uuid> vlob_id,
                          std::optional<DateTime> timestamp, int revision) {
  const Uuid id = vlob_id.value_or(new_uuid());
  require("vlob_create", {{"realm_id", realm_id},
                          {"encryption_revision", revision},
                          {"vlob_id", id},
                          {"timestamp", timestamp.value_or(now())},
                          {"blob", blob}});
  return id;
}

Map Session::update_fields(Uuid vlob_id, std::int64_t version, const Octets& blob,
                           std::optional<DateTime> timestamp, int revision) {
  return {{"encryption_revision", revision},
          {"vlob_id", vlob_id},
          {"timestamp", timestamp.value_or(now())},
          {"version", version},
          {"blob", blob}};
}

Document Session::try_update_vlob(Uuid vlob_id, std::int64_t version, const Octets& blob,
                                  std::optional<DateTime> timestamp, int revision) {
  return call("vlob_update", update_fields(vlob_id, version, blob, timestamp, revision));
}

void Session::update_vlob(Uuid vlob_id, std::int64_t version, const Octets& blob,
                          std::optional<DateTime> timestamp, int revision, Where where) {
  require("vlob_update", update_fields(vlob_id, version, blob, timestamp, revision), where);
}

Uuid Session::create_block(Uuid realm_id, const Octets& block, std::optional<Uuid> block_id) {
  const Uuid id = block_id.value_or(new_uuid());
  require("block_create", {{"block_id", id}, {"realm_id", realm_id}, {"block", block}});
  return id;
}

// --- Organization --------------------------------------------------------------------------------

std::shared_ptr<Organization> Organization::unknown(const Address& address, std::string token,
                                                    std::string id) {
  if (id.empty()) id = "Org" + random_hex(10);
  return std::shared_ptr<Organization>{new Organization(address, std::move(token), std::move(id))};
}

std::shared_ptr<Organization> Organization::create(const Address& address, std::string token,
                                                   const Map& create_fields) {
  auto organization = unknown(address, std::move(token));
  organization->bootstrap(organization->create_here(create_fields));
  return organization;
}

Device Organization::new_device(std::string_view device_id, std::string_view profile,
                                const Document& human_handle, const Document& label) const {
  Device device;
  device.organization_id = id_;
  device.root_verify_key = root_verify_key();
  device.id = device_id;
  device.profile = profile;
  device.human_handle = human_handle;
  device.label = label;
  return device;
}

const Device& Organization::device(std::string_view id) const {
  const auto found = devices_.find(id);
  if (found == devices_.end()) throw ClientError("no device " + std::string{id});
  return found->second;
}

std::string Organization::create_here(const Map& fields) {
  Connection admin = testing::connect(address_, administration_answer(token_));
  const Document reply =
      admin.require("organization_create", Map{{"organization_id", id_}}.with(fields));
  return reply["bootstrap_token"].text();
}

Device Organization::first_device() const {
  return new_device("alice@dev1", "ADMIN", list("alice@example.com", "Alice"), "alice's first");
}

Map Organization::bootstrap_fields(const Device& first, const Document& token,
                                   std::optional<DateTime> timestamp,
                                   const CertificateChanges& changes) const {
  return Map{{"bootstrap_token", token}, {"root_verify_key", root_verify_key()}}.with(
      user_certificates(nullptr, root_key_, first, timestamp, changes));
}

void Organization::bootstrap(const Document& token) {
  Device first = first_device();
  const Map fields = bootstrap_fields(first, token);
  connect_anonymous().require("organization_bootstrap", fields);
  first.certificates = fields.without("bootstrap_token").without("root_verify_key");
  adopt(first);
}

Session Organization::connect(const Device& device, const std::optional<Address>& address,
                              int version) {
  Connection connection{address.value_or(address_)};
  const Document challenge = connection.challenge();
  const Document result = connection.answer(device.answer(challenge, version));
  if (result["result"] != Document("ok")) {
    throw ClientError("handshake of " + device.id + ": " + to_text(result));
  }
  return Session{std::move(connection), shared_from_this(), device};
}

Connection Organization::connect_anonymous(const std::optional<Address>& address) {
  return testing::connect(address.value_or(address_), anonymous_answer(id_));
}

Connection Organization::connect_invited(Uuid token, std::string_view type,
                                         const std::optional<Address>& address) {
  return testing::connect(address.value_or(address_), invited_answer(id_, token, type));
}

}  // namespace parsec::testing
