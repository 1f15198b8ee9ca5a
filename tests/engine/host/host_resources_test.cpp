#include "engine/host/host_resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>

#include <fstream>
#include <thread>

namespace parsec::engine {
namespace {

namespace fs = std::filesystem;

class HostResources : public ::testing::Test {
 protected:
  HostResources() {
    std::string name = (fs::temp_directory_path() / "parsec-host-XXXXXX").native();
    root_ = ::mkdtemp(name.data());
    files = {root_ / "cgroup", root_ / "meminfo", root_ / "fs"};
    write("meminfo", "MemFree: 1 kB\nMemTotal:       1048576 kB\nBuffers: 7 kB\n");
  }
  ~HostResources() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream{root_ / name} << text;
  }

  HostFiles files;

 private:
  fs::path root_;
};

TEST_F(HostResources, WithoutControlGroupsAllIsOurs) {
  EXPECT_EQ(usable_processors(16, files), 16U);
  EXPECT_EQ(usable_memory(files), std::uint64_t{1} << 30);
}

TEST_F(HostResources, AQuotaCounts) {
  write("cgroup", "0::/system.slice/parsec.service\n");
  write("fs/system.slice/parsec.service/cpu.max", "350000 100000\n");
  write("fs/system.slice/parsec.service/memory.max", "536870912\n");
  EXPECT_EQ(usable_processors(16, files), 4U);
  EXPECT_EQ(usable_memory(files), 512U << 20);
}

TEST_F(HostResources, TheTightestOfAllLevelsCounts) {
  write("cgroup", "0::/a/b\n");
  write("fs/a/b/cpu.max", "max 100000\n");
  write("fs/a/cpu.max", "200000 100000\n");
  write("fs/cpu.max", "800000 100000\n");
  write("fs/a/b/memory.max", "max\n");
  write("fs/a/memory.max", "100000000\n");
  EXPECT_EQ(usable_processors(16, files), 2U);
  EXPECT_EQ(usable_memory(files), 100'000'000U);
}

TEST_F(HostResources, AContainerSeesItsOwnGroupAsTheRoot) {
  write("cgroup", "0::/\n");
  write("fs/cpu.max", "50000 100000\n");
  EXPECT_EQ(usable_processors(16, files), 1U);
}

TEST_F(HostResources, Version1CountsToo) {
  write("cgroup", "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n");
  write("fs/cpu/docker/x/cpu.cfs_quota_us", "300000\n");
  write("fs/cpu/docker/x/cpu.cfs_period_us", "100000\n");
  write("fs/memory/docker/x/memory.limit_in_bytes", "200000000\n");
  EXPECT_EQ(usable_processors(16, files), 3U);
  EXPECT_EQ(usable_memory(files), 200'000'000U);
  write("fs/cpu/docker/x/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(usable_processors(16, files), 16U);
}

TEST_F(HostResources, FewerAllowedThanTheQuotaAreAllThereAre) {
  write("cgroup", "0::/\n");
  write("fs/cpu.max", "800000 100000\n");
  EXPECT_EQ(usable_processors(2, files), 2U);
}

TEST(AllowedProcessors, AreThoseOfTheAffinity) {
  const auto all = allowed_processors();
  std::thread([&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(all.back(), &set);
    ASSERT_EQ(::sched_setaffinity(0, sizeof set, &set), 0);
    EXPECT_THAT(allowed_processors(), ::testing::ElementsAre(all.back()));
  }).join();
}

}  // namespace
}  // namespace parsec::engine
