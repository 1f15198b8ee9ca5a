// What the commands that create users and devices share (protocol/4-commands.md §4.4,
// protocol/7-apiv1.md §7.2, §7.3): checks of certificates, rows for the database, events.
#pragma once

#include <expected>
#include <optional>
#include <string_view>
#include <vector>

#include "db/functions/user.h"
#include "protocol/session/session.h"
#include "protocol/types/certificates.h"

namespace parsec::protocol::commands {

/// As received. API v1, which has no redacted ones: the same bytes in both places.
struct UserCertificates {
  Bytes user;
  Bytes device;
  Bytes redacted_user;
  Bytes redacted_device;
};

/// What a redacted certificate must not be; empty: nothing is wrong.
std::string_view redacted_fault(const UserCertificate& plain, const UserCertificate& redacted);
std::string_view redacted_fault(const DeviceCertificate& plain, const DeviceCertificate& redacted);

/// The database holds labels of at most 254 characters, and no NUL in any text: a certificate with
/// another label does not verify.
std::expected<DeviceCertificate, CertificateError> with_storable_label(
    std::expected<DeviceCertificate, CertificateError> certificate);

/// A row for the database: views into both.
db::functions::NewUser new_user(const UserCertificate& user, const DeviceCertificate& device,
                                const UserCertificates& certificates);

/// Notification user.created. If it is too large for one, the two certificates are empty, as no
/// real certificate is: whoever waits for them reads them back (protocol/6-events.md §6.2).
std::vector<std::byte> user_created(std::string_view organization_id,
                                    const db::functions::NewUser& user);

/// Notification device.created, likewise. What the event has no room for is the certificate and
/// the answer, both empty then; the answer has no column of its own: see large_answer of
/// db::functions::device_create.
struct DeviceCreatedEvent {
  std::vector<std::byte> notification;
  bool is_whole;
};
DeviceCreatedEvent device_created(std::string_view organization_id, std::string_view device_id,
                                  Bytes device_certificate, Bytes encrypted_answer);

/// Replies like "User `bob` is not admin".
void reply_not_admin(Session& session);

inline db::functions::Author author_of(const Session& session) {
  return {session.organization_id(), session.device_id()};
}

}  // namespace parsec::protocol::commands
