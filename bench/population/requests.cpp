#include "bench/population/requests.h"

#include <string>

#include "bench/population/payload.h"

namespace parsec::bench::requests {

namespace {

void begin(msgpack::Writer& out, std::string_view cmd, std::uint32_t fields) {
  out.map(1 + fields);
  out.str("cmd");
  out.str(cmd);
}

void write(msgpack::Writer& out, std::string_view value) { out.str(value); }
void write(msgpack::Writer& out, Bytes value) { out.bin(value); }
void write(msgpack::Writer& out, const Uuid& value) { out.uuid(value); }
void write(msgpack::Writer& out, std::int64_t value) { out.integer(value); }
void write(msgpack::Writer& out, DateTime value) { out.datetime(value); }

template <typename Value>
void field(msgpack::Writer& out, std::string_view name, const Value& value) {
  out.str(name);
  write(out, value);
}

/// As clients send with a role or a re-encryption: the realm's key, encrypted for the recipient.
Bytes realm_key_message() {
  static const Octets message = payload(200, 0);
  return message;
}

/// Of one human in a deployment of many organizations: as unlike each other as real ones.
std::string email_of(std::string_view user_id, std::string_view organization_id) {
  return std::string{user_id} + "@" + std::string{organization_id} + ".example.com";
}

void user_fields(msgpack::Writer& out, const Author& author, std::string_view organization_id,
                 const DeviceNumber& number, std::string_view profile,
                 const protocol::VerifyKey& verify_key) {
  const DateTime at = now();
  const std::string user_id = Population::user_id(number.user);
  const std::string device_id = Population::device_id(number);
  const std::string email = email_of(user_id, organization_id);
  field(out, "user_certificate", user_certificate(author, at, user_id, profile, email));
  field(out, "redacted_user_certificate",
        user_certificate(author, at, user_id, profile, std::nullopt));
  field(out, "device_certificate", device_certificate(author, at, device_id, "bench", verify_key));
  field(out, "redacted_device_certificate",
        device_certificate(author, at, device_id, std::nullopt, verify_key));
}

}  // namespace

void ping(msgpack::Writer& out, std::string_view text) {
  begin(out, "ping", 1);
  field(out, "ping", text);
}

void organization_create(msgpack::Writer& out, std::string_view organization_id) {
  begin(out, "organization_create", 1);
  field(out, "organization_id", organization_id);
}

void organization_bootstrap(msgpack::Writer& out, const Population& population,
                            std::uint32_t organization, std::string_view token) {
  const SigningKey root = population.root_key(organization);
  const DeviceNumber first{.organization = organization};
  begin(out, "organization_bootstrap", 6);
  field(out, "bootstrap_token", token);
  field(out, "root_verify_key", Bytes{root.verify_key});
  user_fields(out, {std::nullopt, root}, population.organization_id(organization), first, "ADMIN",
              population.device_key(first).verify_key);
}

void user_create(msgpack::Writer& out, const Population& population, std::uint32_t organization,
                 std::uint32_t user) {
  const DeviceNumber first{.organization = organization};
  const DeviceNumber subject{.organization = organization, .user = user};
  const SigningKey key = population.device_key(first);
  const std::string author = Population::device_id(first);
  begin(out, "user_create", 4);
  user_fields(out, {author, key}, population.organization_id(organization), subject, "STANDARD",
              population.device_key(subject).verify_key);
}

void device_create(msgpack::Writer& out, const Population& population, const DeviceNumber& device) {
  const DeviceNumber first{.organization = device.organization, .user = device.user};
  const SigningKey key = population.device_key(first);
  const std::string author = Population::device_id(first);
  const std::string device_id = Population::device_id(device);
  const auto verify_key = population.device_key(device).verify_key;
  const DateTime at = now();
  begin(out, "device_create", 2);
  field(out, "device_certificate",
        device_certificate({author, key}, at, device_id, "bench", verify_key));
  field(out, "redacted_device_certificate",
        device_certificate({author, key}, at, device_id, std::nullopt, verify_key));
}

void realm_create(msgpack::Writer& out, const Population& population, std::uint32_t organization,
                  std::uint32_t realm) {
  const DeviceNumber first{.organization = organization};
  const SigningKey key = population.device_key(first);
  const std::string author = Population::device_id(first);
  begin(out, "realm_create", 1);
  field(out, "role_certificate",
        role_certificate({author, key}, now(), population.realm_id(organization, realm),
                         Population::user_id(0), "OWNER"));
}

void realm_share(msgpack::Writer& out, const Population& population, std::uint32_t organization,
                 std::uint32_t realm, std::uint32_t user) {
  const DeviceNumber first{.organization = organization};
  const SigningKey key = population.device_key(first);
  const std::string author = Population::device_id(first);
  begin(out, "realm_update_roles", 2);
  field(out, "role_certificate",
        role_certificate({author, key}, now(), population.realm_id(organization, realm),
                         Population::user_id(user), "CONTRIBUTOR"));
  field(out, "recipient_message", realm_key_message());
}

void own_realm_create(msgpack::Writer& out, const Population& population,
                      const DeviceNumber& device, const Uuid& realm_id) {
  const SigningKey key = population.device_key(device);
  const std::string author = Population::device_id(device);
  begin(out, "realm_create", 1);
  field(
      out, "role_certificate",
      role_certificate({author, key}, now(), realm_id, Population::user_id(device.user), "OWNER"));
}

void reencryption_start(msgpack::Writer& out, const Uuid& realm_id, std::int64_t revision,
                        std::string_view user_id) {
  begin(out, "realm_start_reencryption_maintenance", 4);
  field(out, "realm_id", realm_id);
  field(out, "encryption_revision", revision);
  field(out, "timestamp", now());
  out.str("per_participant_message");
  out.map(1);
  field(out, user_id, realm_key_message());
}

void reencryption_get_batch(msgpack::Writer& out, const Uuid& realm_id, std::int64_t revision,
                            std::uint32_t size) {
  begin(out, "vlob_maintenance_get_reencryption_batch", 3);
  field(out, "realm_id", realm_id);
  field(out, "encryption_revision", revision);
  field(out, "size", std::int64_t{size});
}

void reencryption_save_batch(msgpack::Writer& out, const Uuid& realm_id, std::int64_t revision,
                             const msgpack::Value& batch) {
  begin(out, "vlob_maintenance_save_reencryption_batch", 3);
  field(out, "realm_id", realm_id);
  field(out, "encryption_revision", revision);
  out.str("batch");
  out.buffer().append(batch.encoded());
}

void reencryption_finish(msgpack::Writer& out, const Uuid& realm_id, std::int64_t revision) {
  begin(out, "realm_finish_reencryption_maintenance", 2);
  field(out, "realm_id", realm_id);
  field(out, "encryption_revision", revision);
}

void vlob_create(msgpack::Writer& out, const Uuid& realm_id, const Uuid& vlob_id, Bytes blob) {
  begin(out, "vlob_create", 5);
  field(out, "realm_id", realm_id);
  field(out, "encryption_revision", 1);
  field(out, "vlob_id", vlob_id);
  field(out, "timestamp", now());
  field(out, "blob", blob);
}

void vlob_update(msgpack::Writer& out, const Uuid& vlob_id, std::int64_t version, Bytes blob) {
  begin(out, "vlob_update", 5);
  field(out, "encryption_revision", 1);
  field(out, "vlob_id", vlob_id);
  field(out, "timestamp", now());
  field(out, "version", version);
  field(out, "blob", blob);
}

void vlob_read(msgpack::Writer& out, const Uuid& vlob_id) {
  begin(out, "vlob_read", 2);
  field(out, "encryption_revision", 1);
  field(out, "vlob_id", vlob_id);
}

void vlob_poll_changes(msgpack::Writer& out, const Uuid& realm_id, std::int64_t last_checkpoint) {
  begin(out, "vlob_poll_changes", 2);
  field(out, "realm_id", realm_id);
  field(out, "last_checkpoint", last_checkpoint);
}

void block_create(msgpack::Writer& out, const Uuid& realm_id, const Uuid& block_id, Bytes block) {
  begin(out, "block_create", 3);
  field(out, "block_id", block_id);
  field(out, "realm_id", realm_id);
  field(out, "block", block);
}

void block_read(msgpack::Writer& out, const Uuid& block_id) {
  begin(out, "block_read", 1);
  field(out, "block_id", block_id);
}

void user_get(msgpack::Writer& out, std::string_view user_id) {
  begin(out, "user_get", 1);
  field(out, "user_id", user_id);
}

void human_find(msgpack::Writer& out, std::string_view query) {
  begin(out, "human_find", 1);
  field(out, "query", query);
}

void realm_stats(msgpack::Writer& out, const Uuid& realm_id) {
  begin(out, "realm_stats", 1);
  field(out, "realm_id", realm_id);
}

void message_get(msgpack::Writer& out, std::int64_t offset) {
  begin(out, "message_get", 1);
  field(out, "offset", offset);
}

void events_subscribe(msgpack::Writer& out) { begin(out, "events_subscribe", 0); }
void events_listen(msgpack::Writer& out) { begin(out, "events_listen", 0); }

}  // namespace parsec::bench::requests
