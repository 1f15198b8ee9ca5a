// The SQL files of db/schema/sql/, as the build compiled them in (embed_sql.cmake), in order of
// name.
#pragma once

#include <span>
#include <string_view>

namespace parsec::db {

struct SqlFile {
  std::string_view name;  // without directory and extension
  std::string_view text;
};

extern const std::span<const SqlFile> migration_sql;  // <number>_<name>
extern const std::span<const SqlFile> function_sql;
extern const std::span<const SqlFile> index_sql;

}  // namespace parsec::db
