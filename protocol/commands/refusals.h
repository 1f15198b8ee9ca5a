// How the commands of realms, vlobs and blocks answer the refusals of their stored functions.
#pragma once

#include <string_view>

#include "db/functions/author.h"
#include "engine/types.h"
#include "protocol/events/notification.h"
#include "protocol/session/session.h"

namespace parsec::protocol::commands {

inline db::functions::Author author_of(const Session& session) {
  return {session.organization_id(), session.device_id()};
}

/// What a request was about: the reasons name it. The user ID lives until the call returns.
struct Subject {
  Uuid realm_id;
  Uuid vlob_id;
  std::string_view user_id;
};

inline Subject about_realm(const Uuid& realm_id) {
  return {.realm_id = realm_id, .vlob_id = {}, .user_id = {}};
}
inline Subject about_vlob(const Uuid& vlob_id) {
  return {.realm_id = {}, .vlob_id = vlob_id, .user_id = {}};
}

/// Replies with a status other than `ok` of a stored function: the one of protocol/4-commands.md
/// for it, and its literal reason where there is one.
void reply_refusal(Session& session, std::string_view status, const Subject& subject);

/// The notification message.received but for its index, which the function appends.
Notification message_received(const Session& session, std::string_view recipient);

inline constexpr std::string_view timestamp_out_of_date = "Timestamp is out of date.";
inline constexpr std::string_view invalid_certificate_timestamp =
    "Invalid timestamp in certification.";

}  // namespace parsec::protocol::commands
