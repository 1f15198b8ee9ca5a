// libpq's pipeline mode over one connection: statements prepared when they are first needed, and
// one event for each execution and each Sync, in the order they were sent.
//
// One segment (executions and the Sync after them) is one transaction: PostgreSQL commits at the
// Sync, or skips what follows an error up to it. Which requests go into a segment and what becomes
// of them afterwards is the lane's business (lane.h). One thread; never blocks.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "db/driver/call_set.h"
#include "db/driver/connection.h"
#include "db/driver/queue.h"
#include "db/driver/request.h"

namespace parsec::db {

class Pipeline {
 public:
  struct Event {
    enum class Kind : std::uint8_t {
      none,     // nothing more to read now
      rows,     // an execution succeeded, so far: see `result`
      error,    // an execution failed, or the commit did (before `synced`): see `result`
      skipped,  // an execution was not tried, because of an earlier error of its segment
      synced,   // the segment is over; without an error in it, it is committed
    };
    Kind kind = Kind::none;
    ResultPtr result;
  };

  /// An open connection with nothing under way. Puts it into pipeline mode.
  explicit Pipeline(Connection connection);

  int fd() const { return connection_.fd(); }

  // Writing. False: the connection is lost.
  bool execute(const Request& request);
  /// Counts as one execution.
  bool execute(const SetStatement& statement, std::span<const Request* const> calls);
  bool sync();
  /// For what follows in the session, unless its segment is rolled back.
  bool set_timeouts(std::chrono::milliseconds lock, std::chrono::milliseconds statement);
  /// Tries to write all that waits. `pending`: call again when the socket can be written.
  enum class Flush : std::uint8_t { done, pending, lost };
  Flush flush();

  // Reading.
  /// Takes what the socket has. False: the connection is lost; events read before may still come.
  bool receive();
  Event next_event();

  /// The server forgets all prepared statements with the next execution, and so do we: they no
  /// longer fit the functions.
  void forget_statements();

  /// Statements prepared since the last call.
  std::uint64_t take_prepared_count() { return std::exchange(prepared_count_, 0); }

 private:
  enum class Step : std::uint8_t { setting, deallocate, prepare, execute, sync };
  struct Expected {
    Step step = Step::sync;
    const Function* function = nullptr;
  };

  bool send(const Function& function, const char* const* values, const int* lengths);
  bool prepare(const Function& function);
  bool is_prepared(const Function* function) const;
  Event take(ResultPtr result);

  Connection connection_;
  Queue<Expected> expected_;
  // Few enough (one for each stored function) to be searched in order of first use.
  std::vector<const Function*> prepared_;
  bool deallocate_ = false;      // before the next statement
  bool end_of_results_ = false;  // the null that ends the results of a statement comes next
  ResultPtr prepare_error_;      // becomes the error of the execution that needed the statement
  std::uint64_t prepared_count_ = 0;

  // Arguments of PQsendQueryPrepared, kept to keep their memory.
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
  SetParameters set_parameters_;
};

}  // namespace parsec::db
