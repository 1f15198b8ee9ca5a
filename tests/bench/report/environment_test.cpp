#include "bench/report/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace parsec::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
namespace fs = std::filesystem;

class EnvironmentTest : public ::testing::Test {
 protected:
  EnvironmentTest()
      : root_(::testing::TempDir() + "environment_test." + std::to_string(::getpid())) {}
  ~EnvironmentTest() override { fs::remove_all(root_); }

  void put(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path{root_ + file}.parent_path());
    std::ofstream{root_ + file} << text;
  }
  const std::string root_;
};

TEST_F(EnvironmentTest, OfAMadeUpMachine) {
  put("/proc/cpuinfo",
      "processor\t: 0\nmodel name\t: Example CPU\nflags\t\t: fpu hypervisor sse\n\n"
      "processor\t: 1\nmodel name\t: Example CPU\nflags\t\t: fpu hypervisor sse\n");
  put("/proc/meminfo", "MemTotal:       16000 kB\nMemFree: 1 kB\n");
  put("/proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
  put("/etc/os-release", "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n");
  put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
  put("/sys/class/dmi/id/product_name", "KVM Guest\n");
  const Environment machine = describe_machine(root_);
  EXPECT_THAT(machine.date, MatchesRegex("20..-..-..T..:..:..Z"));
  EXPECT_EQ(machine.cpu_model, "Example CPU");
  EXPECT_EQ(machine.cores, 2u);
  EXPECT_EQ(machine.memory_bytes, 16'384'000u);
  EXPECT_EQ(machine.kernel, "6.8.0-45-generic");
  EXPECT_EQ(machine.distribution, "Ubuntu 24.04.1 LTS");
  EXPECT_EQ(machine.governor, "performance");
  EXPECT_EQ(machine.virtualisation, "virtual machine (KVM Guest)");
  EXPECT_TRUE(machine.versions.contains("parsec-bench"));
}

TEST_F(EnvironmentTest, OfAMachineOfItsOwn) {
  put("/proc/cpuinfo", "processor : 0\nflags : fpu sse\n");
  EXPECT_EQ(describe_machine(root_).virtualisation, "none");
  put("/sys/hypervisor/type", "xen\n");
  EXPECT_EQ(describe_machine(root_).virtualisation, "xen");
}

TEST_F(EnvironmentTest, WhatCannotBeFoundOutIsEmpty) {
  const Environment machine = describe_machine(root_);
  EXPECT_EQ(machine.cpu_model, "");
  EXPECT_EQ(machine.governor, "");
  EXPECT_EQ(machine.virtualisation, "");
  EXPECT_GE(machine.cores, 1u);
  EXPECT_TRUE(postgresql_settings("host=/no/such/folder").empty());
  EXPECT_EQ(server_version({.host = "127.0.0.1", .port = 1, .tls = false}), "");
}

TEST(WithoutSecrets, TokensAndPasswords) {
  struct Row {
    std::vector<std::string> arguments;
    const char* line;
  };
  const Row rows[] = {
      {{"run", "--rate", "5"}, "parsec-bench run --rate 5"},
      {{"run", "--administration-token", "s3cr3t", "--rate=5"},
       "parsec-bench run --administration-token *** --rate=5"},
      {{"run", "--administration-token=s3cr3t"}, "parsec-bench run --administration-token=***"},
      {{"--db=postgresql://u:s3cr3t@h:5432/d"}, "parsec-bench --db=postgresql://u:***@h:5432/d"},
      {{"--db=postgresql://u:s3@cr3t@h/d"}, "parsec-bench --db=postgresql://u:***@h/d"},
      {{"--db=postgresql://u@h:5432/d"}, "parsec-bench --db=postgresql://u@h:5432/d"},
      {{"postgresql:///d?user=u&password=s3cr3t&host=h"},
       "parsec-bench postgresql:///d?user=u&password=***&host=h"},
      {{"postgresql:///d?sslpassword=s3cr3t"}, "parsec-bench postgresql:///d?sslpassword=***"},
      {{"host=h password = 's3 cr3t' user=u"}, "parsec-bench host=h password=***"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(without_secrets(row.arguments), row.line);
    EXPECT_THAT(without_secrets(row.arguments), Not(HasSubstr("cr3t")));
  }
}

}  // namespace
}  // namespace parsec::bench
