#include "db/schema/sequences.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "db/driver/transaction.h"

namespace parsec::db {
namespace {

/// For each table the sequence that its default calls, or of its identity column: both names,
/// whether the sequence may be read as a table, its start, the last id that fits, and what makes
/// all columns bigint that the ids are in.
constexpr const char* catalog_sql =
    "WITH named AS ("
    "  SELECT c.oid, c.relname, format('%I.%I', n.nspname, c.relname) AS name, c.relkind"
    "  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    "  WHERE n.nspname = 'public' OR c.relkind = 'S')"
    " SELECT t.name, seq.name, has_sequence_privilege(s.seqrelid, 'SELECT'), s.seqstart::text,"
    " least(s.seqmax, CASE WHEN narrow.alters IS NULL THEN 9223372036854775807"
    "  ELSE 2147483647 END)::text,"
    " concat(narrow.alters, CASE WHEN s.seqtypid <> 'bigint'::regtype"
    "  THEN format('ALTER SEQUENCE %s AS bigint;', seq.name) END)"
    " FROM named AS t"
    " JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attname = '_id' AND NOT a.attisdropped"
    " JOIN ("
    "  SELECT def.adrelid AS relation, def.adnum AS number, d.refobjid AS sequence"
    "  FROM pg_depend AS d JOIN pg_attrdef AS def ON def.oid = d.objid"
    "  WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass"
    "  UNION ALL"
    "  SELECT d.refobjid, d.refobjsubid, d.objid FROM pg_depend AS d"
    "  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass"
    "  AND d.deptype = 'i'"
    " ) AS owned ON owned.relation = t.oid AND owned.number = a.attnum"
    " JOIN named AS seq ON seq.oid = owned.sequence AND seq.relkind = 'S'"
    " JOIN pg_sequence AS s ON s.seqrelid = seq.oid"
    " LEFT JOIN LATERAL ("
    "  SELECT string_agg(format('ALTER TABLE %s ALTER COLUMN %I TYPE bigint; ', c.name, c.attname),"
    "   '' ORDER BY c.place, c.name, c.attname) AS alters"
    "  FROM ("
    "   SELECT 0 AS place, t.name, a.attname, a.atttypid"
    "   UNION ALL"
    "   SELECT 1, other.name, r.attname, r.atttypid"
    "   FROM pg_constraint AS k JOIN named AS other ON other.oid = k.conrelid"
    "   JOIN pg_attribute AS r ON r.attrelid = k.conrelid AND r.attnum = k.conkey[1]"
    "   WHERE k.contype = 'f' AND k.confrelid = t.oid"
    "  ) AS c WHERE c.atttypid = 'integer'::regtype"
    " ) AS narrow ON true"
    " WHERE t.relkind IN ('r', 'p')"
    " AND t.relname IN ('organization', 'human', 'user_', 'device', 'user_invitation',"
    "  'device_invitation', 'invitation', 'message', 'realm', 'realm_user_role',"
    "  'vlob_encryption_revision', 'vlob_atom', 'realm_vlob_update', 'block', 'block_data')"
    " AND s.seqincrement > 0 AND has_table_privilege(t.oid, 'SELECT')"
    " AND has_sequence_privilege(s.seqrelid, 'SELECT, USAGE')"
    " ORDER BY t.relname";

std::int64_t to_integer(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Read as a table a sequence tells more than pg_sequence_last_value(): where it goes on after it
/// was set back and not called.
std::string state_sql(std::string_view table, std::string_view sequence, bool readable,
                      std::string_view start) {
  return readable ? fmt::format(
                        "SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END,"
                        " (SELECT coalesce(max(_id), 0) FROM {}) FROM {}",
                        table, sequence)
                  : fmt::format(
                        "SELECT coalesce(pg_sequence_last_value('{}') + 1, {}),"
                        " (SELECT coalesce(max(_id), 0) FROM {})",
                        sequence, start, table);
}

std::string setval_sql(const IdSequence& sequence) {
  return fmt::format("SELECT setval('{}', (SELECT max(_id) FROM {}));", sequence.name,
                     sequence.table);
}

}  // namespace

std::expected<std::vector<IdSequence>, SqlError> read_id_sequences(Connection& connection) {
  const auto catalog = connection.execute(catalog_sql);
  if (!catalog) return std::unexpected(catalog.error());
  std::vector<IdSequence> sequences;
  std::string states;
  for (int row = 0; row < row_count(*catalog); ++row) {
    sequences.push_back({.name = std::string{field(*catalog, row, 1)},
                         .table = std::string{field(*catalog, row, 0)},
                         .last = to_integer(field(*catalog, row, 4)),
                         .widening = std::string{field(*catalog, row, 5)}});
    if (row > 0) states += " UNION ALL ";
    states += state_sql(field(*catalog, row, 0), field(*catalog, row, 1),
                        field(*catalog, row, 2) == "t", field(*catalog, row, 3));
  }
  if (sequences.empty()) return sequences;
  // One statement, one snapshot: a row in it has its number from a sequence as it was before.
  const auto state = connection.execute(states);
  if (!state) return std::unexpected(state.error());
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const int row = static_cast<int>(i);
    sequences[i].next = to_integer(field(*state, row, 0));
    sequences[i].taken = to_integer(field(*state, row, 1));
  }
  return sequences;
}

std::expected<bool, SqlError> repair_id_sequence(Connection& connection,
                                                 const IdSequence& sequence) {
  auto transaction = SchemaTransaction::begin(connection);
  if (!transaction) return std::unexpected(transaction.error());
  // Whoever inserts a row draws its number under a lock of the table that this one excludes.
  if (auto locked =
          connection.execute("LOCK TABLE " + sequence.table + " IN SHARE ROW EXCLUSIVE MODE");
      !locked) {
    return std::unexpected(locked.error());
  }
  const auto moved = connection.execute(
      fmt::format("SELECT setval('{0}', taken.id) FROM {0} AS now,"
                  " (SELECT coalesce(max(_id), 0) AS id FROM {1}) AS taken"
                  " WHERE taken.id >= now.last_value + CASE WHEN now.is_called THEN 1 ELSE 0 END",
                  sequence.name, sequence.table));
  if (!moved) return std::unexpected(moved.error());
  if (auto done = transaction->commit(); !done) return std::unexpected(done.error());
  return row_count(*moved) > 0;
}

std::string sequences_refusal(const std::vector<IdSequence>& sequences) {
  std::string behind, cure;
  for (const IdSequence& sequence : sequences) {
    if (!sequence.is_behind()) continue;
    behind += fmt::format("{}{} (next {}, {} has {})", behind.empty() ? "" : ", ", sequence.name,
                          sequence.next, sequence.table, sequence.taken);
    cure += " " + setval_sql(sequence);
  }
  if (behind.empty()) return {};
  return fmt::format(
      "Sequences are behind their tables, so that what is stored next would fail: {}. Rows were "
      "copied without them. Run `parsec backend migrate`, or:{}",
      behind, cure);
}

std::vector<std::string> ids_warnings(const std::vector<IdSequence>& sequences) {
  std::vector<std::string> warnings;
  for (const IdSequence& sequence : sequences) {
    if (sequence.used() < ids_warning_from) continue;
    std::string warning = fmt::format(
        "{:.0f} % of the ids of {} are used ({} of {}); after the last one it takes no "
        "more rows",
        sequence.used() * 100, sequence.table, sequence.next - 1, sequence.last);
    if (!sequence.widening.empty()) {
      warning +=
          ". Stop the servers, then (it takes as long as copying the tables): " + sequence.widening;
    }
    warnings.push_back(std::move(warning));
  }
  return warnings;
}

std::string ids_summary(const std::vector<IdSequence>& sequences) {
  if (sequences.empty()) return "database ids: unknown\n";
  const auto most = std::ranges::max_element(sequences, {}, &IdSequence::used);
  return fmt::format("database ids: most_used={} used={:.3f}% next={} last={}\n", most->table,
                     most->used() * 100, most->next, most->last);
}

}  // namespace parsec::db
