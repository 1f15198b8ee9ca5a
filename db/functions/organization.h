// Typed calls of db/sql/functions/organization.sql: administration and bootstrap.
#pragma once

#include <optional>
#include <string_view>

#include "db/functions/user.h"
#include "db/request.h"

namespace parsec::db::functions {

extern const Function organization_create_function;
extern const Function organization_status_function;
extern const Function organization_stats_function;
extern const Function organization_update_function;
extern const Function organization_bootstrap_function;

/// status: already_exists.
void organization_create(Request& call, std::string_view organization_id,
                         std::string_view bootstrap_token, std::optional<DateTime> expiration_date);

struct OrganizationStatusColumns {
  static constexpr int is_bootstrapped = 1;
  static constexpr int expiration_date = 2;  // or null
};
/// status: not_found.
void organization_status(Request& call, std::string_view organization_id);

struct OrganizationStatsColumns {
  static constexpr int data_size = 1;
  static constexpr int metadata_size = 2;
  static constexpr int users = 3;
};
/// status: not_found.
void organization_stats(Request& call, std::string_view organization_id);

/// status: not_found. notification: organization.expired, sent if the date is past.
void organization_update(Request& call, std::string_view organization_id,
                         std::optional<DateTime> expiration_date, Bytes notification);

/// status: already_bootstrapped, not_found. user.profile is ADMIN. notification: user.created.
void organization_bootstrap(Request& call, std::string_view organization_id,
                            std::string_view bootstrap_token, Bytes root_verify_key,
                            const NewUser& user, Bytes notification);

}  // namespace parsec::db::functions
