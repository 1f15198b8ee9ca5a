#include "engine/limits.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace parsec::engine {
namespace {

TEST(Limits, TheDefaultsHold) {
  const auto valid = validate({});
  EXPECT_TRUE(valid.has_value()) << valid.error();
}

TEST(Limits, EveryRelationIsChecked) {
  struct Case {
    const char* named;
    std::function<void(Limits&)> change;
  };
  const Case cases[] = {
      {"connections", [](Limits& l) { l.connections = 0; }},
      {"connections", [](Limits& l) { l.connections = 1u << 24; }},
      {"accept_pause", [](Limits& l) { l.accept_pause = Duration{0}; }},
      {"submission_entries", [](Limits& l) { l.submission_entries = 1000; }},
      {"completion_entries", [](Limits& l) { l.completion_entries = 1000; }},
      {"completion_entries", [](Limits& l) { l.completion_entries = 2048; }},
      {"completions_per_turn", [](Limits& l) { l.completions_per_turn = 0; }},
      {"wait_batch", [](Limits& l) { l.wait_batch = 0; }},
      {"wait_batch", [](Limits& l) { l.wait_batch = 20'000; }},
      {"receive_buffers", [](Limits& l) { l.receive_buffers = 0; }},
      {"receive_buffers", [](Limits& l) { l.receive_buffers = 1u << 16; }},
      {"receive_buffer_size", [](Limits& l) { l.receive_buffer_size = 1; }},
      {"output_high_water", [](Limits& l) { l.output_high_water = l.output_limit; }},
      {"output_limit", [](Limits& l) { l.output_limit = std::size_t{1} << 31; }},
      {"linger", [](Limits& l) { l.linger = Duration{0}; }},
      {"flush_stall", [](Limits& l) { l.flush_stall = Duration{0}; }},
      {"cancel_retry", [](Limits& l) { l.cancel_retry = Duration{0}; }},
      {"linger_bytes", [](Limits& l) { l.linger_bytes = std::size_t{1} << 31; }},
      {"shutdown_grace", [](Limits& l) { l.shutdown_grace = Duration{-1}; }},
      {"keepalive", [](Limits& l) { l.keepalive_probes = 0; }},
      {"keepalive", [](Limits& l) { l.keepalive_idle = std::chrono::seconds{0}; }},
  };
  for (const Case& c : cases) {
    Limits limits;
    c.change(limits);
    const auto valid = validate(limits);
    ASSERT_FALSE(valid.has_value()) << c.named;
    EXPECT_NE(valid.error().find(c.named), std::string::npos) << valid.error();
  }
}

}  // namespace
}  // namespace parsec::engine
