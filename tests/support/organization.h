// Organizations from scratch: users, devices, realms, vlobs, through a live server.
//
//   auto organization = Organization::create(address, administration_token);  // bootstrapped
//   Session alice = organization->connect(organization->alice());
//   Uuid realm = alice.create_realm();
//
// Nothing here judges the server: steps that a test needs on its way insist on `ok` (and throw
// where it is missing); what a test is about goes through call().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/certificate_builder.h"
#include "tests/support/client.h"

namespace parsec::testing {

class Organization;

/// What a client keeps of one device. Certificates by their names in user_create.
struct Device {
  std::string organization_id;
  Octets root_verify_key;
  std::string id;
  std::string profile = "STANDARD";
  Document human_handle;  // null: a user without one
  Document label;
  SigningKey key;
  Map certificates;

  std::string user_id() const { return id.substr(0, id.find('@')); }
  /// The answer to a challenge; `changes` to its fields.
  Map answer(const Document& challenge, int version = 2, const Map& changes = {}) const;
};

/// By the name of a certificate: changes to its content; `key_of` names what is signed by another.
struct CertificateChanges {
  std::map<std::string, Map, std::less<>> content;
  std::map<std::string, SigningKey, std::less<>> keys;

  CertificateChanges() = default;
  CertificateChanges(std::initializer_list<std::pair<const std::string, Map>> changes)
      : content(changes.begin(), changes.end()) {}
  CertificateChanges&& signed_by(const SigningKey& key, std::string_view name) && {
    keys.insert_or_assign(std::string{name}, key);
    return std::move(*this);
  }
};

inline constexpr std::string_view certificate_names[] = {"user_certificate", "device_certificate",
                                                         "redacted_user_certificate",
                                                         "redacted_device_certificate"};

/// The four certificates of a new user and its first device, as the fields of user_create.
/// author: nullptr with the root key.
Map user_certificates(const Device* author, const SigningKey& author_key, const Device& subject,
                      std::optional<DateTime> timestamp = {},
                      const CertificateChanges& changes = {});
inline Map user_certificates(const Device& author, const Device& subject,
                             std::optional<DateTime> timestamp = {},
                             const CertificateChanges& changes = {}) {
  return user_certificates(&author, author.key, subject, timestamp, changes);
}
/// The two certificates of a new device, as the fields of device_create.
Map device_certificates(const Device& author, const Device& subject,
                        std::optional<DateTime> timestamp = {},
                        const CertificateChanges& changes = {});

/// A connected device.
class Session : public Connection {
 public:
  Session(Connection connection, std::shared_ptr<Organization> organization, Device device)
      : Connection(std::move(connection)),
        organization_(std::move(organization)),
        device_(std::move(device)) {}

  const Device& device() const { return device_; }
  Organization& organization() const { return *organization_; }
  std::shared_ptr<Organization> shared_organization() const { return organization_; }
  const std::string& organization_id() const { return device_.organization_id; }

  Session& subscribe();
  /// The next event: the reply of events_listen without its status.
  Map next_event(Duration timeout = patience, Where where = Where::current());

  // Users and devices
  /// human: null for none; by default [<name>@example.com, <Name>].
  Device add_user(std::string_view name, std::string_view profile = "STANDARD",
                  const Document& human = anything, std::optional<DateTime> timestamp = {});
  Device add_device(std::string_view name);
  Octets revocation(std::string_view user_id, std::optional<DateTime> timestamp = {},
                    const Map& changes = {}) const;
  Octets revoke(std::string_view user_id);

  // Realms
  Octets role(Uuid realm_id, std::string_view user_id, const Document& role,
              std::optional<DateTime> timestamp = {}, const Map& changes = {}) const;
  Uuid create_realm(std::optional<Uuid> realm_id = {});
  Octets share(Uuid realm_id, std::string_view user_id, const Document& role,
               const Document& message = nullptr);
  /// participants: user ID → message.
  void start_reencryption(Uuid realm_id, const Map& participants, int revision = 2);
  /// Copies every version, with its blob as it is; the reply of the last save.
  Document reencrypt_everything(Uuid realm_id, int revision = 2);
  void finish_reencryption(Uuid realm_id, int revision = 2);

  // Vlobs and blocks
  Uuid create_vlob(Uuid realm_id, const Octets& blob = "v1"_bin, std::optional<Uuid> vlob_id = {},
                   std::optional<DateTime> timestamp = {}, int revision = 1);
  static Map update_fields(Uuid vlob_id, std::int64_t version, const Octets& blob = {},
                           std::optional<DateTime> timestamp = {}, int revision = 1);
  Document try_update_vlob(Uuid vlob_id, std::int64_t version, const Octets& blob = {},
                           std::optional<DateTime> timestamp = {}, int revision = 1);
  void update_vlob(Uuid vlob_id, std::int64_t version, const Octets& blob = {},
                   std::optional<DateTime> timestamp = {}, int revision = 1,
                   Where where = Where::current());
  Uuid create_block(Uuid realm_id, const Octets& block = "block"_bin,
                    std::optional<Uuid> block_id = {});

 private:
  std::shared_ptr<Organization> organization_;
  Device device_;
};

class Organization : public std::enable_shared_from_this<Organization> {
 public:
  /// Not known to the server yet.
  static std::shared_ptr<Organization> unknown(const Address& address, std::string token,
                                               std::string id = {});
  /// Created and bootstrapped: its first device is alice@dev1, an ADMIN.
  static std::shared_ptr<Organization> create(const Address& address, std::string token,
                                              const Map& create_fields = {});

  const std::string& id() const { return id_; }
  const Address& address() const { return address_; }
  const SigningKey& root_key() const { return root_key_; }
  const Octets& root_verify_key() const { return root_key_.verify_key(); }

  Device new_device(std::string_view device_id, std::string_view profile = "STANDARD",
                    const Document& human_handle = nullptr, const Document& label = nullptr) const;
  void adopt(const Device& device) { devices_.insert_or_assign(device.id, device); }
  const Device& device(std::string_view id) const;
  const Device& alice() const { return device("alice@dev1"); }

  /// organization_create; the bootstrap token.
  std::string create_here(const Map& fields = {});
  Device first_device() const;
  Map bootstrap_fields(const Device& first, const Document& token,
                       std::optional<DateTime> timestamp = {},
                       const CertificateChanges& changes = {}) const;
  void bootstrap(const Document& token);

  // address: of another server of the deployment, else the organization's own.
  Session connect(const Device& device, const std::optional<Address>& address = {},
                  int version = 2);
  Connection connect_anonymous(const std::optional<Address>& address = {});
  Connection connect_invited(Uuid token, std::string_view type = "DEVICE",
                             const std::optional<Address>& address = {});

 private:
  Organization(const Address& address, std::string token, std::string id)
      : address_(address), token_(std::move(token)), id_(std::move(id)) {}

  Address address_;
  std::string token_;
  std::string id_;
  SigningKey root_key_;
  std::map<std::string, Device, std::less<>> devices_;
};

}  // namespace parsec::testing
