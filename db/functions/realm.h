// Typed calls of db/schema/sql/functions/realm.sql: each sets function, route and parameters of a
// Request.
#pragma once

#include <optional>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/author.h"

namespace parsec::db::functions {

extern const Function realm_create_function;
extern const Function realm_status_function;
extern const Function realm_stats_function;
extern const Function realm_get_role_certificates_function;
extern const Function realm_update_roles_function;

/// A role certificate with what was read from it; the role by its name, null: access removed.
struct RoleGrant {
  Uuid realm_id;
  std::string_view user_id;
  std::optional<std::string_view> role;
  Bytes certificate;
  DateTime certified_on;
};

/// status: already_exists. notification: realm.roles_updated. The grant is the author's own, OWNER.
void realm_create(Request& call, Author author, const RoleGrant& grant, Bytes notification);

struct RealmStatusColumns {
  static constexpr int maintenance_type = 1;        // text or null
  static constexpr int maintenance_started_on = 2;  // timestamp or null
  static constexpr int maintenance_started_by = 3;  // device ID or null
  static constexpr int encryption_revision = 4;
};
/// status: realm_not_found, not_allowed.
void realm_status(Request& call, Author author, const Uuid& realm_id);

struct RealmStatsColumns {
  static constexpr int blocks_size = 1;
  static constexpr int vlobs_size = 2;
};
/// status: realm_not_found, not_allowed.
void realm_stats(Request& call, Author author, const Uuid& realm_id);

struct RealmCertificateColumns {  // rows 1…
  static constexpr int certificate = 1;
};
/// status: realm_not_found, not_allowed.
void realm_get_role_certificates(Request& call, Author author, const Uuid& realm_id,
                                 std::optional<DateTime> since);

/// status: user_not_found, incompatible_profile, realm_not_found, in_maintenance, not_allowed,
/// already_granted, older_than_current. recipient_message: null or empty: none.
/// message_notification: message.received without its index.
void realm_update_roles(Request& call, Author author, const RoleGrant& grant,
                        std::optional<Bytes> recipient_message, Bytes notification,
                        Bytes message_notification);

}  // namespace parsec::db::functions
