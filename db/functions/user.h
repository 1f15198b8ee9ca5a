// Typed calls of db/schema/sql/functions/user.sql.
#pragma once

#include <optional>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/author.h"
#include "db/functions/device.h"

namespace parsec::db::functions {

extern const Function user_get_function;
extern const Function human_find_function;
extern const Function user_find_function;
extern const Function user_create_function;
extern const Function user_revoke_function;

struct UserGetColumns {  // row 0
  static constexpr int user_certificate = 1;
  static constexpr int revoked_user_certificate = 2;  // or null
  // rows 1…
  static constexpr int list = 3;  // own, devices, users, revoked_users
  static constexpr int certificate = 4;
};
/// status: not_found.
void user_get(Request& call, Author author, std::string_view user_id);

/// A slice of an ordered list.
struct Page {
  std::int64_t offset;
  std::int64_t size;
};

struct HumanFindColumns {
  static constexpr int total = 1;  // row 0
  // rows 1…
  static constexpr int user_id = 2;
  static constexpr int email = 3;  // null: no human handle
  static constexpr int label = 4;
  static constexpr int revoked = 5;
};
/// query: plain text without NUL, see search_pattern.h. status: not_allowed.
void human_find(Request& call, Author author, std::optional<std::string_view> query,
                bool omit_revoked, bool omit_non_human, Page page);

struct UserFindColumns {
  static constexpr int total = 1;    // row 0
  static constexpr int user_id = 2;  // rows 1…
};
/// status: not_allowed.
void user_find(Request& call, Author author, std::optional<std::string_view> query,
               bool omit_revoked, Page page);

/// A user and its first device, with what was read from their certificates.
struct NewUser {
  DateTime certified_on;
  std::string_view user_id;
  std::string_view profile;                     // its name
  std::optional<std::string_view> human_email;  // both or none
  std::optional<std::string_view> human_label;
  Bytes user_certificate;
  Bytes redacted_user_certificate;
  NewDevice device;
};

/// status: not_allowed, user_already_exists, human_already_exists. notification: user.created.
void user_create(Request& call, Author author, const NewUser& user, Bytes notification);

/// status: not_allowed, not_found, already_revoked. notification: user.revoked. Before anybody is
/// told that the user is revoked, await_writes() must follow (organization.h).
void user_revoke(Request& call, Author author, std::string_view user_id, DateTime revoked_on,
                 Bytes revoked_user_certificate, Bytes notification);

}  // namespace parsec::db::functions
