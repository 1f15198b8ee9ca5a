#include "protocol/commands/new_user.h"

#include <string>

#include "protocol/bytes/utf8.h"
#include "protocol/events/notification.h"

namespace parsec::protocol::commands {

std::string_view redacted_fault(const UserCertificate& plain, const UserCertificate& redacted) {
  if (!same_but_redacted(plain, redacted)) {
    return "Redacted User certificate differs from User certificate.";
  }
  if (redacted.human_handle) {
    return "Redacted User certificate must not contain a human_handle field.";
  }
  return {};
}

std::string_view redacted_fault(const DeviceCertificate& plain, const DeviceCertificate& redacted) {
  if (!same_but_redacted(plain, redacted)) {
    return "Redacted Device certificate differs from Device certificate.";
  }
  if (redacted.device_label) {
    return "Redacted Device certificate must not contain a device_label field.";
  }
  return {};
}

std::expected<DeviceCertificate, CertificateError> with_storable_label(
    std::expected<DeviceCertificate, CertificateError> certificate) {
  constexpr std::size_t max_characters = 254;  // of the column device.device_label
  if (!certificate || !certificate->device_label) return certificate;
  const std::string_view label = *certificate->device_label;
  if (count_characters(label) > max_characters || label.contains('\0')) {
    return std::unexpected(CertificateError{"device_label: Invalid device label"});
  }
  return certificate;
}

db::functions::NewUser new_user(const UserCertificate& user, const DeviceCertificate& device,
                                const UserCertificates& certificates) {
  std::optional<std::string_view> email, label;
  if (user.human_handle) {
    email = user.human_handle->email;
    label = user.human_handle->label;
  }
  return {
      .certified_on = user.timestamp,
      .user_id = user.user_id,
      .profile = name(user.profile),
      .human_email = email,
      .human_label = label,
      .user_certificate = certificates.user,
      .redacted_user_certificate = certificates.redacted_user,
      .device =
          {
              .device_id = device.device_id,
              .device_label = device.device_label,
              .device_certificate = certificates.device,
              .redacted_device_certificate = certificates.redacted_device,
          },
  };
}

namespace {

std::vector<std::byte> copy_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

std::vector<std::byte> write_user_created(std::string_view organization_id,
                                          const db::functions::NewUser& user, bool whole) {
  Notification event("user.created", 5);
  event.key("organization_id").str(organization_id);
  event.key("user_id").str(user.user_id);
  event.key("user_certificate").bin(whole ? user.user_certificate : Bytes{});
  event.key("first_device_id").str(user.device.device_id);
  event.key("first_device_certificate").bin(whole ? user.device.device_certificate : Bytes{});
  return copy_of(event.bytes());
}

std::vector<std::byte> write_device_created(std::string_view organization_id,
                                            std::string_view device_id, Bytes device_certificate,
                                            Bytes encrypted_answer) {
  Notification event("device.created", 4);
  event.key("organization_id").str(organization_id);
  event.key("device_id").str(device_id);
  event.key("device_certificate").bin(device_certificate);
  event.key("encrypted_answer").bin(encrypted_answer);
  return copy_of(event.bytes());
}

}  // namespace

std::vector<std::byte> user_created(std::string_view organization_id,
                                    const db::functions::NewUser& user) {
  auto event = write_user_created(organization_id, user, true);
  if (event.size() <= Notification::max_bytes) return event;
  return write_user_created(organization_id, user, false);
}

DeviceCreatedEvent device_created(std::string_view organization_id, std::string_view device_id,
                                  Bytes device_certificate, Bytes encrypted_answer) {
  auto event =
      write_device_created(organization_id, device_id, device_certificate, encrypted_answer);
  if (event.size() <= Notification::max_bytes) return {std::move(event), true};
  return {write_device_created(organization_id, device_id, {}, {}), false};
}

void reply_not_admin(Session& session) {
  session.reply_error("not_allowed", "User `" + std::string{session.user_id()} + "` is not admin");
}

}  // namespace parsec::protocol::commands
