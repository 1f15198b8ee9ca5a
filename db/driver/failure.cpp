#include "db/driver/failure.h"

#include <fmt/format.h>

namespace parsec::db {
namespace {

struct Row {
  std::string_view sqlstate;
  Remedy remedy;
};

constexpr Row rows[] = {
    {"40001", Remedy::again},       // serialization_failure
    {"40P01", Remedy::again},       // deadlock_detected
    {"23505", Remedy::again},       // unique_violation: a counter that another server took
    {"55P03", Remedy::once_again},  // lock_not_available: after lock_timeout
    {"0A000", Remedy::prepare},    // feature_not_supported: cached plan must not change result type
    {"26000", Remedy::prepare},    // invalid_sql_statement_name: DISCARD or DEALLOCATE by a pooler
    {"42P05", Remedy::prepare},    // duplicate_prepared_statement: likewise
    {"XX000", Remedy::prepare},    // internal_error: cache lookup failed for a dropped function
    {"25006", Remedy::reconnect},  // read_only_sql_transaction: it became a replica
    {"57P01", Remedy::reconnect},  // admin_shutdown
    {"57P02", Remedy::reconnect},  // crash_shutdown
    {"57P03", Remedy::reconnect},  // cannot_connect_now
    {"57P05", Remedy::reconnect},  // idle_session_timeout
};

/// A row that a sequence numbered has a number that is taken: nobody was faster, and it would be
/// taken again.
bool is_taken_id(const ServerError& error) {
  return error.sqlstate == "23505" && error.schema == "public" &&
         error.constraint.ends_with("_pkey");
}

}  // namespace

Remedy remedy_for(const ServerError& error) {
  if (is_taken_id(error)) return Remedy::none;
  for (const Row& row : rows) {
    if (row.sqlstate == error.sqlstate) return row.remedy;
  }
  constexpr std::string_view connection_exception = "08";
  return error.sqlstate.starts_with(connection_exception) ? Remedy::reconnect : Remedy::none;
}

std::string cure_for(const ServerError& error) {
  if (!is_taken_id(error)) return {};
  return fmt::format(
      "The sequence public.{0}__id_seq is behind the ids of its table, as after a copy that left "
      "sequences out: run `parsec backend migrate`, or SELECT setval(pg_get_serial_sequence("
      "'public.{0}', '_id'), (SELECT max(_id) FROM public.{0}))",
      error.table);
}

}  // namespace parsec::db
