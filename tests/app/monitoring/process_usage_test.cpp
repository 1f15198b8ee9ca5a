// What the process takes of the machine, against what it knows of itself.
#include "app/monitoring/process_usage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

namespace parsec::app {
namespace {

TEST(ProcessUsage, IsThatOfThisProcess) {
  const ProcessUsage usage = ProcessUsage::read();
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_LE(usage.start_time, now + 1);
  EXPECT_GE(usage.start_time, now - 3600);
  EXPECT_GT(usage.cpu_seconds, 0);
  EXPECT_LT(usage.cpu_seconds, 3600);
  EXPECT_GT(usage.resident_bytes, 1u << 20);
  EXPECT_GT(usage.most_open_files, usage.open_files);
}

TEST(ProcessUsage, CountsOpenFiles) {
  const std::uint64_t before = ProcessUsage::read().open_files;
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(ProcessUsage::read().open_files, before + 1);
  ::close(file);
  EXPECT_EQ(ProcessUsage::read().open_files, before);
}

}  // namespace
}  // namespace parsec::app
