#include "engine/ring/ring_set.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <cstdint>

#include "tests/support/log_capture.h"

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

/// Counts locked memory as the kernel does, roughly: 64 bytes an entry of the submission queue, 16
/// one of the completion queue and of the ring of buffers. Its rings are null.
class Kernel {
 public:
  explicit Kernel(std::uint64_t limit) : limit_(limit) {}

  SetUpRing set_up() {
    return [this](const Limits& limits) -> std::expected<std::unique_ptr<UringRing>, UringFailure> {
      EXPECT_TRUE(validate(limits)) << validate(limits).error();
      if (entries_ != limits.submission_entries) used_ = 0;  // the others were closed
      entries_ = limits.submission_entries;
      if (late_ > 0) {
        --late_;
        return refused(ENOMEM);
      }
      const std::uint64_t size = 64 * limits.submission_entries +
                                 16 * (limits.completion_entries + limits.receive_buffers);
      if (used_ + size > limit_) return refused(ENOMEM);
      used_ += size;
      return std::unique_ptr<UringRing>{};
    };
  }
  static std::unexpected<UringFailure> refused(int error) {
    return std::unexpected(UringFailure{error, "memlock limit"});
  }
  /// That many times the memory of an ended process has not come back yet.
  void give_back_late(int times) { late_ = times; }

 private:
  const std::uint64_t limit_;
  std::uint64_t used_ = 0;
  std::uint32_t entries_ = 0;
  int late_ = 0;
};

TEST(RingSet, IsAsWantedWhereTheMemorySuffices) {
  testing::LogCapture log;
  Kernel kernel{16 << 20};
  const auto set = set_up_rings(15, {}, kernel.set_up(), 0ms);
  ASSERT_TRUE(set);
  warn_of_shortage(*set);
  EXPECT_EQ(set->rings.size(), 15u);
  EXPECT_EQ(set->limits.submission_entries, Limits{}.submission_entries);
  EXPECT_EQ(log.text(), "");
}

TEST(RingSet, HasSmallerQueuesWhereItDoesNot) {
  testing::LogCapture log;
  Kernel kernel{8 << 20};
  const auto set = set_up_rings(64, {}, kernel.set_up(), 0ms);
  ASSERT_TRUE(set);
  warn_of_shortage(*set);
  EXPECT_EQ(set->rings.size(), 64u);
  EXPECT_EQ(set->limits.submission_entries, 512u);
  EXPECT_THAT(log.text(), HasSubstr("512 entries instead of 4096"));
  EXPECT_THAT(log.text(), HasSubstr("LimitMEMLOCK"));
  EXPECT_THAT(log.text(), Not(HasSubstr("shards")));
}

TEST(RingSet, HasFewerShardsWhereTheSmallestDoNotFit) {
  testing::LogCapture log;
  Kernel kernel{1 << 20};
  const auto set = set_up_rings(128, {}, kernel.set_up(), 0ms);
  ASSERT_TRUE(set);
  warn_of_shortage(*set);
  EXPECT_EQ(set->rings.size(), 16u);
  EXPECT_THAT(log.text(), HasSubstr("16 shards instead of 128"));
}

TEST(RingSet, WaitsForMemoryThatComesBackLate) {
  testing::LogCapture log;
  Kernel kernel{16 << 20};
  kernel.give_back_late(3);
  const auto set = set_up_rings(4, {}, kernel.set_up(), 60s);
  ASSERT_TRUE(set);
  warn_of_shortage(*set);
  EXPECT_EQ(set->limits.submission_entries, Limits{}.submission_entries);
  EXPECT_EQ(log.text(), "");
}

TEST(RingSet, SaysWhatToChangeWhereThereIsNone) {
  Kernel kernel{0};
  EXPECT_THAT(set_up_rings(2, {}, kernel.set_up(), 0ms).error(), HasSubstr("memlock"));
  const auto forbidden = set_up_rings(2, {}, [](const Limits&) { return Kernel::refused(EPERM); });
  EXPECT_FALSE(forbidden) << "smaller ones would not help";
  EXPECT_FALSE(set_up_rings(0, {}, kernel.set_up()));
}

}  // namespace
}  // namespace parsec::engine
