// Typed calls of db/schema/sql/functions/organization.sql: administration and bootstrap.
#pragma once

#include <optional>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/user.h"

namespace parsec::db::functions {

extern const Function organization_create_function;
extern const Function organization_status_function;
extern const Function organization_is_expired_function;
extern const Function organization_stats_function;
extern const Function organization_update_function;
extern const Function organization_bootstrap_function;
extern const Function await_writes_function;

/// status: already_exists.
void organization_create(Request& call, std::string_view organization_id,
                         std::string_view bootstrap_token, std::optional<DateTime> expiration_date);

struct OrganizationStatusColumns {
  static constexpr int is_bootstrapped = 1;
  static constexpr int expiration_date = 2;  // or null
};
/// status: not_found.
void organization_status(Request& call, std::string_view organization_id);

struct OrganizationIsExpired {
  static constexpr int expired = 1;
};
/// status: ok. expired: it is, or will be in a moment (clocks of other servers may be ahead).
void organization_is_expired(Request& call, std::string_view organization_id);

struct OrganizationStatsColumns {
  static constexpr int data_size = 1;
  static constexpr int metadata_size = 2;
  static constexpr int users = 3;
};
/// status: not_found.
void organization_stats(Request& call, std::string_view organization_id);

struct OrganizationUpdateColumns {
  static constexpr int expired = 1;
};
/// status: not_found. expired: the date is past; notification organization.expired was sent, and
/// await_writes() must follow before the reply.
void organization_update(Request& call, std::string_view organization_id,
                         std::optional<DateTime> expiration_date, Bytes notification);

/// Returns when no write commits any more of those whose rights were ended by a call that returned:
/// a user's who was revoked, or (no user) those of an organization that expired.
void await_writes(Request& call, std::string_view organization_id,
                  std::optional<std::string_view> user_id);

/// status: already_bootstrapped, not_found. user.profile is ADMIN. notification: user.created.
void organization_bootstrap(Request& call, std::string_view organization_id,
                            std::string_view bootstrap_token, Bytes root_verify_key,
                            const NewUser& user, Bytes notification);

}  // namespace parsec::db::functions
