// Every number of the data layer, with the relations they must keep. Defaults fit one machine that
// also runs PostgreSQL.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "db/driver/target.h"

namespace parsec::engine {
class MemoryBudget;
}

namespace parsec::db {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// How one connection of a worker batches and gives up.
struct LaneLimits {
  /// One transaction of shared writes, or one batch of reads. More would only make the unlucky
  /// ones wait longer: 64 statements already hide the cost of the commit.
  std::size_t segment_requests = 64;
  std::size_t segment_bytes = std::size_t{1} << 20;
  /// Reads of one batch take about so long together: a long batch would make its first ones wait
  /// for its last.
  microseconds read_segment_time{10000};

  /// So many bytes of results a batch of reads may hold: half of it is expected, of what is beyond
  /// nothing is kept, and it is read again alone.
  std::size_t segment_result_bytes = std::size_t{8} << 20;
  /// When memory is short (engine/host/memory_budget.h), results that are longer come one at a
  /// time.
  std::size_t large_result_bytes = std::size_t{64} << 10;
  /// A connection whose buffers grew beyond this is opened anew when memory is short, or after
  /// some time: libpq keeps them.
  std::size_t kept_buffer_bytes = std::size_t{4} << 20;
  milliseconds large_buffer_age{10000};

  /// A write of so many bytes does not share a batch with small ones, …
  std::size_t large_write_bytes = std::size_t{32} << 10;
  /// … and the batch of large ones ends here.
  std::size_t large_segment_bytes = std::size_t{512} << 10;

  /// A list whose like took so long for the same organization lately is a heavy read.
  microseconds heavy_read_time{8000};
  milliseconds heavy_statement_timeout{10000};

  /// In a batch that others share nobody waits longer for a lock. Who ran into one waits apart, …
  milliseconds shared_lock_timeout{100};
  /// … in turn with others like him, so long at a time, …
  milliseconds lock_turn{1000};
  /// … and so long in all. A realm that was locked stays suspect as long.
  milliseconds lock_patience{10000};

  /// Serialization failures, deadlocks and unique violations of one request.
  unsigned retries = 20;
  /// How often a read follows a lost connection to the next one.
  unsigned read_resends = 3;

  /// A request waits for a lost connection at most so long, …
  milliseconds unavailable_after{2000};
  /// … a read that was already sent once at most so long, counted from its submission, …
  milliseconds resent_read_age{5000};
  /// … and one that waits behind a connection that works but does not answer so long.
  milliseconds queue_age{15000};
  /// Without a byte from PostgreSQL for so long while it owes an answer, the connection is given
  /// up. Longer than statement_timeout, which ends what merely takes long.
  milliseconds silence{45000};
};

struct SessionLimits {
  milliseconds connect_timeout{5000};  // of one host; connect_timeout of the URL beats it
  milliseconds lock_timeout{10000};
  milliseconds statement_timeout{30000};
  /// PostgreSQL 17 and later: a whole batch, whoever its locks are waited for by.
  milliseconds transaction_timeout{60000};
  /// Between two statements of a transaction nothing of ours idles, except a process that stopped.
  milliseconds idle_in_transaction_timeout{10000};
};

/// How others that harm us are noticed (db/driver/peer_watch.h).
struct WatchLimits {
  milliseconds interval{5000};
  /// A session of ours that waits for its process amid a transaction is ended after so long.
  milliseconds stalled_session_age{10000};
  /// A notification that takes so long to the listener is lost.
  milliseconds probe_limit{10000};
};

struct Settings {
  Target target;

  std::uint32_t shards = 1;
  std::uint32_t workers = 1;

  /// All connections of the process, the listener's included. `min` are opened at start, the
  /// others when there is work for them.
  std::uint32_t min_connections = 5;
  std::uint32_t max_connections = 7;

  /// Attempts of the first connection, 0: without end; and the pause between them.
  std::uint32_t first_tries_number = 1;
  milliseconds first_tries_sleep{1000};
  /// start() gives up when `min_connections` are not there by then.
  milliseconds connections_limit{10000};

  /// How often the ids of the tables are looked at (db/schema/id_watch.h).
  milliseconds ids_interval{std::chrono::hours{1}};

  /// Start although the schema is newer than this program.
  bool allow_newer_schema = false;

  std::string application_name = "parsec";

  /// Requests of one shard that one worker may hold, a power of two: the size of the rings
  /// between them, and what submit() refuses beyond.
  std::uint32_t outstanding_requests = 1024;
  /// Parameter bytes of the same.
  std::size_t outstanding_bytes = std::size_t{64} << 20;

  /// Where results and parameters count, as long as the data layer holds them. Null: in a budget of
  /// its own, without a limit.
  engine::MemoryBudget* memory = nullptr;

  LaneLimits lane;
  SessionLimits session;
  WatchLimits watch;

  /// stop() lets requests finish so long.
  milliseconds stop_grace{3000};
};

static_assert(LaneLimits{}.silence > SessionLimits{}.statement_timeout);
static_assert(SessionLimits{}.statement_timeout > SessionLimits{}.lock_timeout);
static_assert(SessionLimits{}.transaction_timeout > SessionLimits{}.statement_timeout);
static_assert(LaneLimits{}.shared_lock_timeout < LaneLimits{}.lock_turn);
static_assert(LaneLimits{}.lock_turn < LaneLimits{}.lock_patience);
static_assert(LaneLimits{}.lock_patience < LaneLimits{}.queue_age);
static_assert(LaneLimits{}.heavy_statement_timeout < LaneLimits{}.queue_age);
static_assert(LaneLimits{}.large_write_bytes < LaneLimits{}.large_segment_bytes);
static_assert(LaneLimits{}.large_result_bytes < LaneLimits{}.segment_result_bytes);
static_assert(LaneLimits{}.resent_read_age > LaneLimits{}.unavailable_after);

}  // namespace parsec::db
