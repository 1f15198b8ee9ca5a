#include "engine/limits.h"

#include <bit>

namespace parsec::engine {

std::expected<void, std::string> validate(const Limits& limits) {
  struct Rule {
    bool holds;
    const char* text;
  };
  const Rule rules[] = {
      {limits.connections >= 1 && limits.connections < 1u << 24,
       "connections per shard: 1 to 16777215 (a completion names them by 24 bits)"},
      {limits.accept_pause > Duration::zero(), "accept_pause: above zero, or accepting would spin"},
      {std::has_single_bit(limits.submission_entries) && limits.submission_entries <= 32768,
       "submission_entries: a power of two, at most 32768 (IORING_MAX_ENTRIES)"},
      {std::has_single_bit(limits.completion_entries) && limits.completion_entries <= 65536,
       "completion_entries: a power of two, at most 65536 (IORING_MAX_CQ_ENTRIES)"},
      {limits.completion_entries >= limits.submission_entries,
       "completion_entries: at least submission_entries"},
      {limits.completions_per_turn >= 1, "completions_per_turn: at least 1"},
      {limits.wait_batch >= 1 && limits.wait_batch <= limits.completion_entries,
       "wait_batch: 1 to completion_entries"},
      {std::has_single_bit(limits.receive_buffers) && limits.receive_buffers <= 32768,
       "receive_buffers: a power of two, at most 32768 (a buffer ring holds no more)"},
      {limits.receive_buffer_size >= 64 && limits.receive_buffer_size <= 1u << 24,
       "receive_buffer_size: 64 bytes to 16 MiB"},
      {limits.output_high_water < limits.output_limit,
       "output_high_water: below output_limit, or a handler could not react in time"},
      {limits.output_limit <= 1u << 30, "output_limit: at most 1 GiB"},
      {limits.linger > Duration::zero() && limits.flush_stall > Duration::zero() &&
           limits.cancel_retry > Duration::zero(),
       "linger, flush_stall, cancel_retry: above zero"},
      {limits.linger_bytes <= 1u << 30, "linger_bytes: at most 1 GiB"},
      {limits.shutdown_grace >= Duration::zero(), "shutdown_grace: not negative"},
      {limits.keepalive_idle.count() >= 1 && limits.keepalive_interval.count() >= 1 &&
           limits.keepalive_probes >= 1 && limits.keepalive_probes <= 127,
       "keepalive: at least one second, 1 to 127 probes (tcp(7))"},
  };
  for (const Rule& rule : rules) {
    if (!rule.holds) return std::unexpected(std::string("engine limits: ") + rule.text);
  }
  return {};
}

}  // namespace parsec::engine
