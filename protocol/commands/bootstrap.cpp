// organization_bootstrap (protocol/7-apiv1.md §7.2).
#include <algorithm>
#include <optional>
#include <string>

#include "db/functions/organization.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/new_user.h"
#include "protocol/session/service.h"

namespace parsec::protocol::commands {

namespace {

VerifyKey to_verify_key(Bytes bytes) {
  VerifyKey key{};
  std::ranges::copy(bytes, key.begin());
  return key;
}

/// The certificates of a bootstrap, read; the redacted ones only if they were given.
struct FirstUser {
  UserCertificate user;
  DeviceCertificate device;
  std::optional<UserCertificate> redacted_user;
  std::optional<DeviceCertificate> redacted_device;
};

/// Check 1: all are signed by the root key.
std::expected<FirstUser, CertificateError> load(const VerifyKey& root_key, Bytes user_bytes,
                                                Bytes device_bytes,
                                                std::optional<Bytes> redacted_user_bytes,
                                                std::optional<Bytes> redacted_device_bytes) {
  auto user = verify_and_load<UserCertificate>(user_bytes, root_key, std::nullopt);
  if (!user) return std::unexpected(user.error());
  auto device =
      with_storable_label(verify_and_load<DeviceCertificate>(device_bytes, root_key, std::nullopt));
  if (!device) return std::unexpected(device.error());
  FirstUser first{*std::move(user), *std::move(device), std::nullopt, std::nullopt};
  if (redacted_user_bytes) {
    auto redacted = verify_and_load<UserCertificate>(*redacted_user_bytes, root_key, std::nullopt);
    if (!redacted) return std::unexpected(redacted.error());
    first.redacted_user = *std::move(redacted);
  }
  if (redacted_device_bytes) {
    auto redacted =
        verify_and_load<DeviceCertificate>(*redacted_device_bytes, root_key, std::nullopt);
    if (!redacted) return std::unexpected(redacted.error());
    first.redacted_device = *std::move(redacted);
  }
  return first;
}

/// Checks 2 to 6: what is wrong, if anything is.
struct Fault {
  std::string_view status;
  std::string_view reason;
};

std::optional<Fault> fault_of(const FirstUser& first, DateTime now) {
  if (first.user.profile != Profile::admin) {
    return Fault{"invalid_data", "Bootstrapping user must have admin profile."};
  }
  if (first.device.timestamp != first.user.timestamp) {
    return Fault{"invalid_data", "Device and user certificates must have the same timestamp."};
  }
  if (user_of(first.device.device_id) != first.user.user_id) {
    return Fault{"invalid_data", "Device and user must have the same user ID."};
  }
  if (!in_the_ballpark(first.user.timestamp, now)) {
    return Fault{"invalid_certification", "Invalid timestamp in certification."};
  }
  if (first.redacted_user) {
    const auto fault = redacted_fault(first.user, *first.redacted_user);
    if (!fault.empty()) return Fault{"invalid_data", fault};
  }
  if (first.redacted_device) {
    const auto fault = redacted_fault(first.device, *first.redacted_device);
    if (!fault.empty()) return Fault{"invalid_data", fault};
  }
  if (first.redacted_user.has_value() != first.redacted_device.has_value()) {
    return Fault{"invalid_data",
                 "Redacted user&device certificate muste be provided together"};  // sic
  }
  return std::nullopt;
}

}  // namespace

Command organization_bootstrap(Session& session, Fields fields) {
  const auto bootstrap_token = fields.required<field::String>("bootstrap_token");
  const auto root_verify_key = fields.required<field::Key>("root_verify_key");
  const auto user_bytes = fields.required<field::Binary>("user_certificate");
  const auto device_bytes = fields.required<field::Binary>("device_certificate");
  const auto redacted_user = fields.optional_not_null<field::Binary>("redacted_user_certificate");
  const auto redacted_device =
      fields.optional_not_null<field::Binary>("redacted_device_certificate");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  const auto first = load(to_verify_key(root_verify_key), user_bytes, device_bytes, redacted_user,
                          redacted_device);
  if (!first) co_return session.reply_invalid_certification(first.error());
  if (const auto fault = fault_of(*first, session.now())) {
    co_return session.reply_error(fault->status, fault->reason);
  }

  const UserCertificates certificates{
      .user = user_bytes,
      .device = device_bytes,
      .redacted_user = redacted_user.value_or(user_bytes),
      .redacted_device = redacted_device.value_or(device_bytes),
  };
  const auto user = new_user(first->user, first->device, certificates);
  const auto event = user_created(session.organization_id(), user);
  auto& call = session.new_call();
  db::functions::organization_bootstrap(call, session.organization_id(), bootstrap_token,
                                        root_verify_key, user, event);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return session.reply_error(rows.status());
  session.reply_ok();
  session.service().outbox().announce_bootstrap({
      .organization_id = std::string{session.organization_id()},
      .device_id = first->device.device_id,
      .device_label = first->device.device_label,
      .human_handle = first->user.human_handle,
  });
}

}  // namespace parsec::protocol::commands
