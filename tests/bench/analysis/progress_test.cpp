#include "bench/analysis/progress.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/bench/analysis/queueing_driver.h"

namespace parsec::bench {
namespace {

using namespace std::chrono_literals;

class ProgressTest : public ::testing::Test {
 protected:
  ProgressOptions options(bool terminal) {
    return {.terminal = terminal, .now = [this] { return now_; }};
  }
  std::chrono::nanoseconds now_{100s};
  std::ostringstream out_;
};

TEST_F(ProgressTest, PlainLinesWithWhatIsLeft) {
  Progress progress{out_, options(false)};
  progress.expect(3);
  progress.begin("500 requests per second", 6s);
  progress.end();
  now_ += 10s;  // with what it took to prepare
  progress.begin("1000 requests per second", 6s);
  progress.end();
  now_ += 400s;
  progress.begin("2000 requests per second", 6s);
  EXPECT_EQ(out_.str(),
            "measurement 1 of 3: 500 requests per second, about 18 s left\n"
            "measurement 2 of 3: 1000 requests per second, about 20 s left\n"
            "measurement 3 of 3: 2000 requests per second, about 4 min left\n");
}

TEST_F(ProgressTest, OneLineOnATerminal) {
  {
    Progress progress{out_, options(true)};
    progress.begin("a", 1s);
    progress.end();
    progress.begin("b", 1s);
  }
  EXPECT_EQ(out_.str(),
            "\r\x1b[Kmeasurement 1: a, 0 s so far\r\x1b[Kmeasurement 2: b, 0 s so far\r\x1b[K");
}

TEST_F(ProgressTest, MoreThanWereExpected) {
  Progress progress{out_, options(false)};
  progress.expect(1);
  progress.begin("a", 1s);
  progress.end();
  now_ += 6000s;
  progress.begin("b", 1s);
  EXPECT_EQ(out_.str(),
            "measurement 1 of 1: a, about 1 s left\n"
            "measurement 2: b, 1 h 40 min so far\n");
}

TEST_F(ProgressTest, TellsOfWhatADriverMeasures) {
  parsec::testing::QueueingDriver queue{1, 1000};
  Progress progress{out_, options(false)};
  ProgressDriver driver{queue, progress};
  Load load;
  load.duration = 100ms;
  load.in_flight = 8;
  ASSERT_TRUE(driver.measure(load));
  load.kind = Load::Kind::open;
  load.rate = 200;
  ASSERT_TRUE(driver.measure(load));
  queue.failure = "gone";
  EXPECT_EQ(driver.measure(load).error(), "gone");
  EXPECT_EQ(out_.str(),
            "measurement 1: 8 in flight, 0 s so far\n"
            "measurement 2: 200 requests per second, 0 s so far\n"
            "measurement 3: 200 requests per second, 0 s so far\n");
}

}  // namespace
}  // namespace parsec::bench
