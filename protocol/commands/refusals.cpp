// See refusals.h.
#include "protocol/commands/refusals.h"

#include <string>

namespace parsec::protocol::commands {

namespace {

std::string does_not_exist(std::string_view kind, std::string_view id) {
  std::string reason{kind};
  return reason.append(" `").append(id).append("` doesn't exist");
}

}  // namespace

void reply_refusal(Session& session, std::string_view status, const Subject& subject) {
  if (status == "realm_not_found") {
    session.reply_error("not_found", does_not_exist("Realm", subject.realm_id.text()));
  } else if (status == "vlob_not_found") {
    session.reply_error("not_found", does_not_exist("Vlob", subject.vlob_id.text()));
  } else if (status == "user_not_found") {
    session.reply_error("not_found", does_not_exist("User", subject.user_id));
  } else if (status == "block_not_found") {
    session.reply_error("not_found");
  } else if (status == "not_in_maintenance") {
    session.reply_error(status, "Realm `" + subject.realm_id.text() + "` not under maintenance");
  } else if (status == "maintenance_error") {
    session.reply_error(status, "Reencryption operations are not over");
  } else if (status == "participants_mismatch") {
    session.reply_error(status, "Realm participants and message recipients mismatch");
  } else if (status == "incompatible_profile") {
    session.reply_error(status, "User with OUTSIDER profile cannot be MANAGER or OWNER");
  } else if (status == "older_than_current") {
    session.reply_error("invalid_certification", invalid_certificate_timestamp);
  } else {
    session.reply_error(status);
  }
}

Notification message_received(const Session& session, std::string_view recipient) {
  Notification notification("message.received", 4);
  notification.key("organization_id").str(session.organization_id());
  notification.key("author").str(session.device_id());
  notification.key("recipient").str(recipient);
  notification.key("index");
  return notification;
}

}  // namespace parsec::protocol::commands
