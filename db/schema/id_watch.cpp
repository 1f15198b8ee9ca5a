#include "db/schema/id_watch.h"

#include <algorithm>
#include <utility>

#include "db/driver/threads.h"
#include "db/schema/extensions.h"
#include "engine/host/log.h"

namespace parsec::db {
namespace {

using namespace std::chrono_literals;

constexpr auto stop_patience = 500ms;

}  // namespace

IdWatch::IdWatch(ConnectionOptions options, std::chrono::milliseconds interval,
                 std::vector<IdSequence> known)
    : state_(std::make_shared<State>()) {
  state_->options = std::move(options);
  state_->interval = interval;
  state_->sequences = std::move(known);
  thread_ = start_thread("db-ids", [state = state_] { run(*state); });
}

void IdWatch::stop() {
  if (!thread_.joinable()) return;
  std::unique_lock lock{state_->mutex};
  state_->stopping = true;
  state_->changed.notify_all();
  const bool ended =
      state_->changed.wait_for(lock, stop_patience, [this] { return state_->ended; });
  lock.unlock();
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

std::string IdWatch::summary() const {
  const std::lock_guard lock{state_->mutex};
  return ids_summary(state_->sequences);
}

double IdWatch::most_used() const {
  const std::lock_guard lock{state_->mutex};
  double most = 0;
  for (const IdSequence& sequence : state_->sequences) most = std::max(most, sequence.used());
  return most;
}

void IdWatch::run(State& state) {
  std::unique_lock lock{state.mutex};
  while (!state.changed.wait_for(lock, state.interval, [&] { return state.stopping; })) {
    lock.unlock();
    // Where there is no connection others say so; the next look comes.
    std::expected<std::vector<IdSequence>, SqlError> sequences = std::vector<IdSequence>{};
    if (auto connection = Connection::open(state.options)) {
      sequences = read_id_sequences(*connection);
      if (auto noted = note_functions_used(*connection); !noted && sequences) {
        sequences = std::unexpected(noted.error());
      }
    }
    lock.lock();
    if (!sequences) {
      log::warn("Cannot look at the sequences", "Cannot look at the sequences: {}",
                log::field("reason", sequences.error().message));
    } else if (!sequences->empty()) {
      state.sequences = std::move(*sequences);
      log_ids(state.sequences);
    }
  }
  state.ended = true;
  state.changed.notify_all();
}

void log_ids(const std::vector<IdSequence>& sequences) {
  if (const std::string behind = sequences_refusal(sequences); !behind.empty()) {
    log::error("Sequences are behind", "{}", log::field("sequences", behind));
  }
  for (const std::string& warning : ids_warnings(sequences)) {
    log::warn("Ids run out", "{}", log::field("sequence", warning));
  }
}

}  // namespace parsec::db
