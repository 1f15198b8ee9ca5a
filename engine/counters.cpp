#include "engine/counters.h"

namespace parsec::engine {
namespace {

constexpr std::array<std::string_view, count_size> names = {
    "accepted",
    "dialled",
    "accept_refused",
    "accept_pauses",
    "accept_failures",
    "closed_by_handler",
    "closed_aborted",
    "closed_peer_closed",
    "closed_peer_reset",
    "closed_output_limit",
    "closed_shutdown",
    "closed_internal_error",
    "receives",
    "received_bytes",
    "first_received_bytes",
    "upgraded_received_bytes",
    "receive_starved",
    "receive_rearmed",
    "kept_bytes",
    "discarded_bytes",
    "sends",
    "sent_bytes",
    "first_sent_bytes",
    "upgraded_sent_bytes",
    "short_sends",
    "cancels",
    "turns",
    "completions",
    "gathered_turns",
    "sleeps",
    "wake_ups",
    "submission_retries",
    "completion_overflows",
    "completions_lost",
    "stale_completions",
};
static_assert(!names.back().empty(), "a counter without a name");

constexpr std::array<std::string_view, 7> reason_names = {
    "by_handler",   "aborted",  "peer_closed",    "peer_reset",
    "output_limit", "shutdown", "internal_error",
};
static_assert(static_cast<std::size_t>(CloseReason::internal_error) + 1 == reason_names.size());
static_assert(static_cast<std::size_t>(Count::closed_internal_error) -
                  static_cast<std::size_t>(Count::closed_by_handler) + 1 ==
              reason_names.size());

}  // namespace

std::string_view name(Count count) { return names[static_cast<std::size_t>(count)]; }

std::string_view name(CloseReason reason) { return reason_names[static_cast<std::size_t>(reason)]; }

std::uint64_t Counters::closed() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < reason_names.size(); ++i) {
    sum += get(static_cast<Count>(static_cast<std::size_t>(Count::closed_by_handler) + i));
  }
  return sum;
}

std::uint64_t Counters::connections() const {
  // Ends first: who ended has been accepted before, so the difference is never below zero.
  const std::uint64_t ended = closed();
  return get(Count::accepted) + get(Count::dialled) - ended;
}

}  // namespace parsec::engine
