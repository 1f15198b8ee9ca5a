// The ids of the contract's tables (`_id`), which PostgreSQL numbers by sequences.
//
// Two things happen to them in the life of a database. Rows are copied and sequences are not
// (logical replication to a new major version, COPY, migration services): then a sequence is behind
// its table, and each insertion fails until it has caught up. And they are integers: after 2³¹ rows
// nothing more can be written, unless the columns became bigint before.
//
// Reading costs an index look-up for each table, whatever it holds.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "db/driver/connection.h"

namespace parsec::db {

struct IdSequence {
  std::string name;        // public.block__id_seq
  std::string table;       // public.block
  std::int64_t next = 0;   // what it gives next
  std::int64_t taken = 0;  // the greatest id of the table; 0: it is empty
  std::int64_t last = 0;   // what fits into the sequence, the column, and all that refer to it
  /// Statements that make them bigint; empty: they are.
  std::string widening;

  bool is_behind() const { return taken >= next; }
  /// Of what fits: 0 … 1.
  double used() const { return static_cast<double>(next - 1) / static_cast<double>(last); }
};

/// Of all tables that are there, and whose sequence this role may look at.
std::expected<std::vector<IdSequence>, SqlError> read_id_sequences(Connection& connection);

/// Moves a sequence beyond its table, which nobody writes meanwhile. False: it was there already.
std::expected<bool, SqlError> repair_id_sequence(Connection& connection,
                                                 const IdSequence& sequence);

/// Why a server does not start, with the cure; empty: no sequence is behind.
std::string sequences_refusal(const std::vector<IdSequence>& sequences);

/// From here on the administrator is told that the ids of a table end.
inline constexpr double ids_warning_from = 0.5;

/// One sentence for each sequence that is used so far, with the cure.
std::vector<std::string> ids_warnings(const std::vector<IdSequence>& sequences);

/// For the state dump: the most used, and how far.
std::string ids_summary(const std::vector<IdSequence>& sequences);

}  // namespace parsec::db
