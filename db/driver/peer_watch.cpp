#include "db/driver/peer_watch.h"

#include <fmt/format.h>

#include <utility>

#include "db/driver/threads.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;

constexpr auto stop_patience = 500ms;

/// Notifies as commands do, from a session that is not the listener's. True: it was heard, or
/// whether it should have been cannot be told.
bool is_heard(Connection& connection, Probe& probe, std::chrono::milliseconds limit) {
  const Probe::Ticket ticket = probe.begin();
  if (!ticket.listening) return true;
  const auto sent =
      connection.execute("SELECT pg_notify($1, $2)",
                         {std::string_view{Probe::channel}, std::string_view{ticket.token}});
  return !sent || probe.wait(ticket, limit) != Probe::Result::missing;
}

}  // namespace

PeerWatch::PeerWatch(ConnectionOptions options, WatchLimits limits, std::shared_ptr<Probe> probe,
                     Look look)
    : state_(std::make_shared<State>()) {
  state_->options = std::move(options);
  state_->limits = limits;
  state_->probe = std::move(probe);
  state_->look = std::move(look);
}

std::expected<void, std::string> PeerWatch::check_notifications() {
  auto connection = Connection::open(state_->options);
  if (!connection || is_heard(*connection, *state_->probe, state_->limits.probe_limit)) return {};
  return std::unexpected(
      "The database's notifications do not arrive: is there a connection pooler in between that "
      "works per transaction? It must work per session (pgbouncer: pool_mode = session)");
}

void PeerWatch::start() {
  thread_ = start_thread("db-watch", [state = state_] { run(*state); });
}

void PeerWatch::stop() {
  if (!thread_.joinable()) return;
  std::unique_lock lock{state_->mutex};
  state_->stopping = true;
  state_->changed.notify_all();
  state_->probe->stop();
  const bool ended =
      state_->changed.wait_for(lock, stop_patience, [this] { return state_->ended; });
  lock.unlock();
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void PeerWatch::run(State& state) {
  std::unique_lock lock{state.mutex};
  while (!state.changed.wait_for(lock, state.limits.interval, [&] { return state.stopping; })) {
    lock.unlock();
    // Where there is no connection others say so; the next look comes.
    if (auto connection = Connection::open(state.options)) {
      const auto ended = end_stalled_sessions(*connection, state.limits.stalled_session_age);
      if (!ended) {
        log::warn("Cannot look for stalled sessions", "Cannot look for stalled sessions: {}",
                  log::field("reason", ended.error().message));
      }
      if (!is_heard(*connection, *state.probe, state.limits.probe_limit)) {
        state.probe->report_missing();
      }
      if (state.look) state.look(*connection);
    }
    lock.lock();
  }
  state.ended = true;
  state.changed.notify_all();
}

std::expected<int, SqlError> end_stalled_sessions(Connection& connection,
                                                  std::chrono::milliseconds age) {
  // Amid a pipeline the state stays `active` (ReadyForQuery is not due), so it does not count.
  // state_change is then that of the last statement. Nobody else's rows show these columns.
  const auto rows = connection.execute(
      "SELECT pid, client_addr, round(extract(epoch FROM clock_timestamp() - state_change)),"
      " pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE datname = current_database() AND usename = current_user"
      " AND application_name = current_setting('application_name') AND application_name <> ''"
      " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
      " AND xact_start IS NOT NULL AND wait_event_type = 'Client' AND wait_event = 'ClientRead'"
      " AND state_change < clock_timestamp() - $1::interval",
      {fmt::format("{} milliseconds", age.count())});
  if (!rows) return std::unexpected(rows.error());
  for (int row = 0; row < row_count(*rows); ++row) {
    const std::string_view address = field(*rows, row, 1);
    log::warn("Ended a stalled database session",
              "Ended the database session {} of a Parsec server at {}: amid a transaction it sent "
              "nothing for {} s, and kept its locks. Is that server suspended or cut off?",
              log::field("pid", field(*rows, row, 0)),
              log::field("peer", address.empty() ? "this machine" : address),
              log::field("stalled_seconds", field(*rows, row, 2)));
  }
  return row_count(*rows);
}

}  // namespace parsec::db
