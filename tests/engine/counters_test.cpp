#include "engine/counters.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace parsec::engine {
namespace {

TEST(Counters, CountAndHaveNamesOfTheirOwn) {
  Counters counters;
  counters.add(Count::accepted);
  counters.add(Count::received_bytes, 1000);
  counters.add(Count::received_bytes, 24);
  EXPECT_EQ(counters.get(Count::accepted), 1u);
  EXPECT_EQ(counters.get(Count::received_bytes), 1024u);
  std::set<std::string_view> names;
  std::uint64_t sum = 0;
  counters.for_each([&](std::string_view name, std::uint64_t value) {
    EXPECT_FALSE(name.empty());
    EXPECT_TRUE(names.insert(name).second) << name;
    sum += value;
  });
  EXPECT_EQ(names.size(), count_size);
  EXPECT_EQ(sum, 1025u);
}

TEST(Counters, ConnectionsAreThoseThatDidNotEnd) {
  Counters counters;
  counters.add(Count::accepted, 5);
  counters.add(Count::accept_refused);
  counters.add_closed(CloseReason::peer_closed);
  counters.add_closed(CloseReason::output_limit);
  EXPECT_EQ(counters.connections(), 3u);
}

TEST(Counters, NameWhatTheyCount) {
  // One of each end and of the middle: a name left out would shift those after it.
  EXPECT_EQ(name(Count::accepted), "accepted");
  EXPECT_EQ(name(Count::receive_starved), "receive_starved");
  EXPECT_EQ(name(Count::turns), "turns");
  EXPECT_EQ(name(Count::stale_completions), "stale_completions");
}

TEST(Counters, CloseReasonsAreCountedUnderTheirNames) {
  for (int i = 0; i <= static_cast<int>(CloseReason::internal_error); ++i) {
    Counters counters;
    const auto reason = static_cast<CloseReason>(i);
    counters.add_closed(reason);
    EXPECT_EQ(counters.closed(), 1u);
    counters.for_each([&](std::string_view counter, std::uint64_t value) {
      if (value == 0) return;
      EXPECT_EQ(counter, "closed_" + std::string(name(reason)));
    });
  }
}

}  // namespace
}  // namespace parsec::engine
