// Typed calls of db/schema/sql/functions/invite.sql: invitations and the claim conduit
// (protocol/5-invite.md).
#pragma once

#include <optional>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/author.h"

namespace parsec::db::functions {

extern const Function invite_new_function;
extern const Function invite_delete_function;
extern const Function invite_announce_function;
extern const Function claimer_announce_function;
extern const Function invite_list_function;
extern const Function invite_info_function;
extern const Function conduit_talk_function;
extern const Function conduit_listen_function;

struct InviteNewColumns {
  static constexpr int token = 1;
  static constexpr int is_new = 2;
  static constexpr int human_email = 3;  // the author's; null: none
  static constexpr int human_label = 4;
};
struct NewInvitation {
  std::string_view type;                          // USER, DEVICE
  std::optional<std::string_view> claimer_email;  // of a USER
  Uuid token;                                     // of a new one
  bool needs_human = false;                       // else not_available
};
/// notification: invite.status_changed of a new one. status: not_available.
void invite_new(Request& call, Author author, const NewInvitation& invitation, Bytes notification);

/// status: not_found, deleted.
void invite_delete(Request& call, Author author, const Uuid& token, std::string_view reason,
                   Bytes notification);

/// Tells the status of an invitation that is not deleted. status: not_found, deleted.
void invite_announce(Request& call, std::string_view organization_id, const Uuid& token,
                     Bytes notification);
/// The same under another name, for who must tell its own calls from those of commands.
void claimer_announce(Request& call, std::string_view organization_id, const Uuid& token,
                      Bytes notification);

struct InviteListColumns {  // rows 1…
  static constexpr int token = 1;
  static constexpr int type = 2;
  static constexpr int created_on = 3;
  static constexpr int claimer_email = 4;  // null of a DEVICE
};
void invite_list(Request& call, Author author);

struct InviteInfoColumns {
  static constexpr int type = 1;
  static constexpr int claimer_email = 2;
  static constexpr int greeter = 3;  // user ID
  static constexpr int human_email = 4;
  static constexpr int human_label = 5;
};
/// status: not_found, deleted, organization_expired.
void invite_info(Request& call, std::string_view organization_id, const Uuid& token);

/// One side of a conduit. No device: the claimer.
struct ConduitSide {
  std::string_view organization_id;
  std::optional<std::string_view> device_id;
  Uuid token;
};
struct ConduitColumns {
  static constexpr int peer_payload = 1;
};
/// status: not_found, deleted, organization_expired, invalid_state. peer_payload null: we talked
/// first.
void conduit_talk(Request& call, const ConduitSide& side, std::string_view state, Bytes payload,
                  Bytes notification);
/// The digests are SHA-256 of what conduit_talk stored and returned; no peer_digest: we talked
/// first, and peer_payload comes with `ok`. status: as of conduit_talk, and waiting.
void conduit_listen(Request& call, const ConduitSide& side, std::string_view state,
                    Bytes own_digest, std::optional<Bytes> peer_digest, Bytes notification);

}  // namespace parsec::db::functions
