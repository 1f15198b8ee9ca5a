// What comes before sets of writes in realms: db/schema/sql/functions/vlob_sets.sql.
#pragma once

#include <array>

#include "db/driver/call_set.h"

namespace parsec::db::functions {

inline constexpr std::array realms_lock_types{SqlType::text, SqlType::text, SqlType::uuid};

/// Holds the authors' rights and locks the realms of all calls, whose first parameters are
/// organization, device and realm.
inline constexpr SetStatement realms_lock{
    .function = {.name = "realms_lock",
                 .sql = "SELECT * FROM parsec_functions.realms_lock($1,$2,$3)",
                 .parameter_count = realms_lock_types.size(),
                 .access = Access::shared_write},
    .types = realms_lock_types,
};

}  // namespace parsec::db::functions
