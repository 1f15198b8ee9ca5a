// One call of a stored function on its way from a shard to a DB worker and back.
//
// A shard takes a Request from its Gateway, names the function, writes the parameters in
// PostgreSQL's binary format and submits it. A worker executes it and hands the same object back
// with its result attached. So neither side allocates once its pool is warm, and the result is
// read where libpq put it. Exactly one thread owns a Request at any time: the shard, or the
// worker between submit() and next_reply().
#pragma once

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/queues/fair_order.h"
#include "engine/types.h"

struct pg_result;  // libpq's PGresult

namespace parsec::db {

/// How a function may be executed.
enum class Access : std::uint8_t {
  handshake,     // a read that comes before a connection may ask anything: never behind others
  read,          // changes nothing, quick whatever the data: retried after a lost connection
  list_read,     // likewise, but only the data knows how long its list is
  heavy_read,    // looks at much by its nature: no other read waits for its end
  shared_write,  // takes one realm's lock at most: may share a transaction with others
  solo_write,    // takes several locks, or is rare: a transaction of its own
};

constexpr bool is_write(Access access) {
  return access == Access::shared_write || access == Access::solo_write;
}

struct SetStatement;

/// A stored function as C++ knows it. Instances are constants with static storage duration,
/// defined beside their typed signature in db/functions/; their address identifies them.
struct Function {
  const char* name;  // also the name of the prepared statement
  const char* sql;   // e.g. "SELECT * FROM parsec_functions.vlob_read($1,$2,$3,$4,$5,$6)"
  int parameter_count;
  Access access;
  /// Several calls as one statement; null: one by one.
  const SetStatement* set = nullptr;
};

enum class Outcome : std::uint8_t {
  ok,           // rows are there, and what they acknowledge is committed
  unavailable,  // not executed: the database could not be reached in time
  unknown,      // a write whose commit is unknown: the connection to the database was lost
  failed,       // the database refused it (a bug, or bad input that only it can see): see sqlstate
};

constexpr std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::unavailable:
      return "database unavailable";
    case Outcome::unknown:
      return "commit unknown";
    case Outcome::failed:
      return "refused by the database";
  }
  return "?";
}

/// Rows of a result, in binary. Views into memory of the Request that holds it.
///
/// Convention of every stored function: row 0 has `status` (text) in column 0 and the scalars of
/// the reply after it; the items of a list, if any, are rows 1… of the same columns.
class Rows {
 public:
  Rows() = default;
  explicit Rows(const pg_result* result) : result_(result) {}

  int count() const;
  bool is_null(int row, int column) const;
  Bytes bytes(int row, int column) const;
  std::string_view text(int row, int column) const;
  std::int64_t integer(int row, int column) const;  // int2, int4 or int8, by its length
  bool boolean(int row, int column) const;
  Uuid uuid(int row, int column) const;
  DateTime datetime(int row, int column) const;  // timestamptz
  std::optional<DateTime> optional_datetime(int row, int column) const {
    if (is_null(row, column)) return std::nullopt;
    return datetime(row, column);
  }

  std::string_view status() const { return text(0, 0); }

 private:
  const pg_result* result_ = nullptr;
};

class Request {
 public:
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request();

  /// Starts anew: no parameter, no result.
  void reset();

  // --- Set by the shard

  const Function* function = nullptr;
  /// Writes of equal route are never under way on two connections of a process, and keep their
  /// order unless one of them meets a lock that somebody else keeps. The hash of what they lock:
  /// realm for realm and vlob writes, organization otherwise.
  std::uint64_t route = 0;
  /// Whose turn it takes among all that waits.
  engine::FlowKey flow;
  /// Where it came from: opaque here, given back unchanged.
  std::uint64_t tag = 0;

  // Parameters, in the order of the function's signature. Array elements are never null.
  Request& null();
  Request& text(std::string_view value);
  Request& bytes(Bytes value);
  Request& boolean(bool value);
  Request& int4(std::int32_t value);
  Request& int8(std::int64_t value);
  Request& uuid(const Uuid& value);
  Request& datetime(DateTime value);  // timestamptz
  Request& text_array(std::span<const std::string_view> values);
  Request& bytes_array(std::span<const Bytes> values);
  Request& uuid_array(std::span<const Uuid> values);
  Request& int8_array(std::span<const std::int64_t> values);

  Request& optional_text(std::optional<std::string_view> v) { return v ? text(*v) : null(); }
  Request& optional_bytes(std::optional<Bytes> v) { return v ? bytes(*v) : null(); }
  Request& optional_int8(std::optional<std::int64_t> v) { return v ? int8(*v) : null(); }
  Request& optional_datetime(std::optional<DateTime> v) { return v ? datetime(*v) : null(); }

  /// Function, route and parameters of a request that was executed, to change and send again.
  void repeat(const Request& executed) {
    function = executed.function;
    route = executed.route;
    flow = executed.flow;
    parameters_ = executed.parameters_;
    arena_ = executed.arena_;
  }
  /// Replaces a parameter of the same type that is not null; counted from 0.
  void replace_uuid(std::size_t parameter, const Uuid& value) {
    assert(parameters_[parameter].length == 16);
    std::memcpy(arena_.data() + parameters_[parameter].offset, value.bytes.data(), 16);
  }
  void replace_boolean(std::size_t parameter, bool value) {
    assert(parameters_[parameter].length == 1);
    arena_[parameters_[parameter].offset] = value ? '\1' : '\0';
  }

  // --- Set by the worker

  Outcome outcome = Outcome::unavailable;
  char sqlstate[6] = {};  // of Outcome::failed
  /// From the last sending to the commit, with those that shared it; zero: it was never sent.
  std::chrono::nanoseconds execution_time{};
  pg_result* result = nullptr;  // owned

  Rows rows() const { return Rows{result}; }
  /// Memory that the result takes: more than its values.
  std::size_t result_bytes() const;

  // --- Read by the worker

  struct Parameter {
    std::uint32_t offset;
    std::int32_t length;  // -1: null
  };
  std::span<const Parameter> parameters() const { return parameters_; }
  const char* parameter_data(const Parameter& p) const { return arena_.data() + p.offset; }
  std::size_t size_bytes() const { return arena_.size(); }

 private:
  char* add(std::size_t length);

  std::vector<Parameter> parameters_;
  std::vector<char> arena_;
};

}  // namespace parsec::db
