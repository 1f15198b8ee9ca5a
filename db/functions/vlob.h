// Typed calls of db/schema/sql/functions/vlob.sql: each sets function, route and parameters of a
// Request.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/author.h"

namespace parsec::db::functions {

extern const Function vlob_create_function;
extern const Function vlob_create_alone_function;
extern const Function vlob_read_function;
extern const Function vlob_update_function;
extern const Function vlob_poll_changes_function;
extern const Function vlob_list_versions_function;

/// A version as a client writes it.
struct VlobVersion {
  std::int64_t encryption_revision;
  Uuid vlob_id;
  std::int64_t version;
  DateTime created_on;
  Bytes blob;
};

/// status: realm_not_found, in_maintenance, bad_encryption_revision, not_allowed, already_exists,
/// or `busy`: another transaction creates the same ID now, nothing was done: call again alone.
/// notification: realm.vlobs_updated up to its key realm_id; the function appends the rest.
void vlob_create(Request& call, Author author, const Uuid& realm_id, const VlobVersion& version,
                 Bytes notification);

/// `call` repeats a vlob_create: it waits for that other transaction, in one of its own.
void vlob_create_alone(Request& call);

struct VlobReadColumns {
  static constexpr int realm_id = 1;
  static constexpr int version = 2;
  static constexpr int blob = 3;
  static constexpr int author = 4;  // device ID
  static constexpr int created_on = 5;
};
/// status: vlob_not_found, in_maintenance, bad_encryption_revision, not_allowed, bad_version.
void vlob_read(Request& call, Author author, std::int64_t encryption_revision, const Uuid& vlob_id,
               std::optional<std::int64_t> version, std::optional<DateTime> instant);

struct VlobUpdateColumns {
  static constexpr int realm_id = 1;  // the vlob's; null: vlob_not_found
};
/// status: vlob_not_found, in_maintenance, bad_encryption_revision, not_allowed, bad_version,
/// bad_timestamp, or `elsewhere`: the vlob is not in presumed_realm_id, nothing was done: call
/// again in the realm_id that is returned. notification: as of vlob_create.
void vlob_update(Request& call, Author author, const Uuid& presumed_realm_id,
                 const VlobVersion& version, Bytes notification);

/// `call` repeats a vlob_update: routed by this realm.
void vlob_update_in(Request& call, std::string_view organization_id, const Uuid& realm_id);

struct VlobPollColumns {
  static constexpr int current_checkpoint = 1;  // row 0
  static constexpr int vlob_id = 2;             // rows 1…
  static constexpr int version = 3;
};
/// status: realm_not_found, in_maintenance, not_allowed.
void vlob_poll_changes(Request& call, Author author, const Uuid& realm_id,
                       std::int64_t last_checkpoint);

struct VlobVersionsColumns {
  static constexpr int realm_id = 1;  // row 0
  static constexpr int version = 2;   // rows 1…
  static constexpr int created_on = 3;
  static constexpr int author = 4;  // device ID
};
/// status: vlob_not_found, in_maintenance, not_allowed.
void vlob_list_versions(Request& call, Author author, const Uuid& vlob_id);

}  // namespace parsec::db::functions
