#include "protocol/commands/user_creation.h"

#include <string>

namespace parsec::protocol::commands {

namespace {

std::nullopt_t refuse(Session& session, const CertificateError& error) {
  session.reply_invalid_certification(error);
  return std::nullopt;
}

std::nullopt_t refuse(Session& session, std::string_view status, std::string_view reason) {
  session.reply_error(status, reason);
  return std::nullopt;
}

}  // namespace

std::optional<CheckedUser> check_user_creation(Session& session,
                                               const UserCertificates& certificates) {
  auto user = session.load_certificate<UserCertificate>(certificates.user);
  if (!user) return refuse(session, user.error());
  auto device =
      with_storable_label(session.load_certificate<DeviceCertificate>(certificates.device));
  if (!device) return refuse(session, device.error());
  const auto redacted_user = session.load_certificate<UserCertificate>(certificates.redacted_user);
  if (!redacted_user) return refuse(session, redacted_user.error());
  const auto redacted_device =
      session.load_certificate<DeviceCertificate>(certificates.redacted_device);
  if (!redacted_device) return refuse(session, redacted_device.error());

  if (device->timestamp != user->timestamp) {
    return refuse(session, "invalid_data",
                  "Device and User certificates must have the same timestamp.");
  }
  if (!in_the_ballpark(user->timestamp, session.now())) {
    return refuse(session, "invalid_certification", "Invalid timestamp in certificate.");
  }
  if (user_of(device->device_id) != user->user_id) {
    return refuse(session, "invalid_data", "Device and User must have the same user ID.");
  }
  if (const auto fault = redacted_fault(*user, *redacted_user); !fault.empty()) {
    return refuse(session, "invalid_data", fault);
  }
  if (const auto fault = redacted_fault(*device, *redacted_device); !fault.empty()) {
    return refuse(session, "invalid_data", fault);
  }
  return CheckedUser{*std::move(user), *std::move(device)};
}

void start_user_creation(Session& session, db::Request& call, const CheckedUser& checked,
                         const UserCertificates& certificates) {
  const auto user = new_user(checked.user, checked.device, certificates);
  const auto event = user_created(session.organization_id(), user);
  db::functions::user_create(call, author_of(session), user, event);
}

void reply_user_creation(Session& session, std::string_view status, const UserCertificate& user) {
  if (status == "not_allowed") return reply_not_admin(session);
  if (status == "user_already_exists") {
    return session.reply_error("already_exists", "User `" + user.user_id + "` already exists");
  }
  if (status == "human_already_exists") {
    return session.reply_error("already_exists", "Human handle `" + user.human_handle->text() +
                                                     "` already corresponds to a non-revoked user");
  }
  session.reply_ok();
}

}  // namespace parsec::protocol::commands
