#include "db/schema/rights.h"

#include <fmt/format.h>

#include "db/schema/extensions.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

/// A row for each object on which something is missing: whether all servers need it, and the GRANT.
/// Rows that are locked (FOR NO KEY UPDATE) need UPDATE as well.
constexpr const char* missing_sql =
    "WITH contract (name, privileges) AS (VALUES"
    " ('migration', '{SELECT}'::text[]),"
    " ('organization', '{SELECT, INSERT, UPDATE}'), ('human', '{SELECT, INSERT}'),"
    " ('user_', '{SELECT, INSERT, UPDATE}'), ('device', '{SELECT, INSERT}'),"
    " ('user_invitation', '{SELECT, INSERT, UPDATE, DELETE}'),"
    " ('device_invitation', '{SELECT, INSERT, UPDATE, DELETE}'),"
    " ('invitation', '{SELECT, INSERT, UPDATE}'), ('message', '{SELECT, INSERT}'),"
    " ('realm', '{SELECT, INSERT, UPDATE}'), ('realm_user_role', '{SELECT, INSERT}'),"
    " ('vlob_encryption_revision', '{SELECT, INSERT}'), ('vlob_atom', '{SELECT, INSERT}'),"
    " ('realm_vlob_update', '{SELECT, INSERT}'), ('block', '{SELECT, INSERT}'),"
    " ('block_data', '{SELECT, INSERT}')),"
    " relations AS ("
    "  SELECT c.oid, n.nspname, c.relname, c.relkind,"
    "   CASE WHEN n.nspname = 'public' THEN contract.privileges"
    "    ELSE '{SELECT, INSERT, UPDATE, DELETE}' END AS privileges"
    "  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    "  LEFT JOIN contract ON contract.name = c.relname"
    "  WHERE c.relkind IN ('r', 'p')"
    "  AND (n.nspname = 'parsec_ext' OR n.nspname = 'public' AND contract.name IS NOT NULL)),"
    " lacking (rank, needed, object, privilege) AS ("
    "  SELECT 1, true, format('SCHEMA %I', n.nspname), 'USAGE' FROM pg_namespace AS n"
    "  WHERE n.nspname IN ('public', 'parsec_ext', $1) AND NOT has_schema_privilege(n.oid, 'USAGE')"
    "  UNION ALL"
    "  SELECT 2, r.relname <> 'block_data', format('TABLE %I.%I', r.nspname, r.relname), p"
    "  FROM relations AS r, unnest(r.privileges) AS p WHERE NOT has_table_privilege(r.oid, p)"
    "  UNION ALL"
    "  SELECT 3, r.relname <> 'block_data', format('SEQUENCE %I.%I', n.nspname, s.relname), 'USAGE'"
    "  FROM relations AS r JOIN pg_attrdef AS def ON def.adrelid = r.oid"
    "  JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = def.oid"
    "   AND d.refclassid = 'pg_class'::regclass"
    "  JOIN pg_class AS s ON s.oid = d.refobjid AND s.relkind = 'S'"
    "  JOIN pg_namespace AS n ON n.oid = s.relnamespace"
    "  WHERE NOT CASE s.relkind WHEN 'S' THEN has_sequence_privilege(s.oid, 'USAGE, UPDATE') END"
    "  UNION ALL"
    "  SELECT 4, true, format('ROUTINE %I.%I(%s)', n.nspname, f.proname,"
    "   pg_get_function_identity_arguments(f.oid)), 'EXECUTE' FROM pg_proc AS f"
    "  JOIN pg_namespace AS n ON n.oid = f.pronamespace"
    "  WHERE n.nspname = $1 AND NOT has_function_privilege(f.oid, 'EXECUTE'))"
    " SELECT needed, format('GRANT %s ON %s TO %I;', string_agg(privilege, ', ' ORDER BY "
    "privilege),"
    "  object, current_user), current_user FROM lacking GROUP BY rank, needed, object ORDER BY "
    "rank, object";

}  // namespace

std::expected<void, std::string> check_rights(Connection& connection) {
  const auto missing = connection.execute(missing_sql, {functions_schema()});
  if (!missing) {
    return std::unexpected("Cannot look at the rights of the role: " + missing.error().message);
  }
  std::string needed, of_block_data, role;
  for (int row = 0; row < row_count(*missing); ++row) {
    std::string& grants = field(*missing, row, 0) == "t" ? needed : of_block_data;
    grants.append(" ").append(field(*missing, row, 1));
    role = field(*missing, row, 2);
  }
  if (!needed.empty()) {
    return std::unexpected(fmt::format(
        "The database role `{}` may not do all that a server does, so some commands would fail. "
        "Under the role that owns the tables run `parsec backend migrate`, which shares ours with "
        "whoever may write the others, or:{}",
        role, needed));
  }
  if (!of_block_data.empty()) {
    log::warn("A database right is missing",
              "The database role `{}` may not use block_data: the block store POSTGRESQL needs{}",
              log::field("role", role), log::field("remedy", of_block_data));
  }
  return {};
}

}  // namespace parsec::db
