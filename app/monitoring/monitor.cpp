#include "app/monitoring/monitor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>

#include "app/monitoring/metrics.h"
#include "engine/host/heartbeats.h"

namespace parsec::app {
namespace {

using namespace std::chrono_literals;

// How long something must last before clients are sent elsewhere.
constexpr auto database_patience = 5s;
constexpr auto full_ring_patience = 5s;
constexpr auto block_store_patience = 30s;

/// Quoted, of texts that need no escaping: our own.
template <class Texts>
std::string json_list(const Texts& texts) {
  std::string list;
  for (const auto& text : texts) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", text);
  return "[" + list + "]";
}

/// PostgreSQL answers one worker at least: the others' requests go there.
bool is_answering(const db::DatabaseState& database, engine::TimePoint now) {
  return std::ranges::any_of(database.workers, [&](const auto& worker) {
    return now - worker.answered < database_patience;
  });
}

}  // namespace

void Monitor::attach(const MonitoredParts& parts) {
  const std::unique_lock lock{mutex_};
  parts_ = parts;
}

void Monitor::detach() {
  const std::unique_lock lock{mutex_};
  parts_.reset();
}

protocol::HealthAnswer Monitor::live() const {
  const auto stalls = engine::stalled_threads(hung_after_, engine::Clock::now());
  if (stalls.empty()) return {true, "{\"status\": \"ok\"}\n"};
  std::vector<std::string> reasons;
  for (const engine::Stall& stall : stalls) {
    reasons.push_back(
        fmt::format("{}: no turn for {} s", stall.thread,
                    std::chrono::duration_cast<std::chrono::seconds>(stall.since).count()));
  }
  return {false, fmt::format("{{\"status\": \"failing\", \"reasons\": {}}}\n", json_list(reasons))};
}

Readiness Monitor::readiness() const {
  Readiness result;
  const auto note = [&](bool holds, std::string_view code) {
    if (holds) result.reasons.push_back(code);
  };
  const bool stopping = stopping_.load(std::memory_order_relaxed);
  const std::shared_lock lock{mutex_};
  note(!parts_ && !stopping, "starting");
  note(stopping, "stopping");
  if (!parts_) return result;
  const auto now = engine::Clock::now();
  const db::DatabaseState database = parts_->database->state();
  if (database.level != 0) result.level = database.level;
  note(!is_answering(database, now), "database_unreachable");
  note(!database.is_listening, "listen_down");
  note(database.is_wrong_level, "wrong_level");
  note(parts_->blocks->is_unreachable(block_store_patience), "block_store_unreachable");
  const bool is_full = database.full_since != engine::TimePoint{};
  note(is_full && now - database.full_since >= full_ring_patience, "overloaded");
  return result;
}

protocol::HealthAnswer Monitor::ready() const {
  const Readiness now = readiness();
  const std::string level = now.level ? std::to_string(*now.level) : "null";
  if (now.reasons.empty()) {
    return {true, fmt::format("{{\"status\": \"ready\", \"level\": {}}}\n", level)};
  }
  return {false, fmt::format("{{\"status\": \"not_ready\", \"level\": {}, \"reasons\": {}}}\n",
                             level, json_list(now.reasons))};
}

std::string Monitor::metrics(engine::Exposition::Format format) const {
  engine::Exposition text{format};
  const Readiness now = readiness();
  const auto stalled = engine::stalled_threads(hung_after_, engine::Clock::now()).size();
  const std::shared_lock lock{mutex_};
  write_metrics(text, {.readiness = now, .stalled = stalled, .parts = parts_ ? &*parts_ : nullptr});
  return text.finish();
}

}  // namespace parsec::app
