// The example of db/driver/README.md, as its reader would run it.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/support/private_postgres.h"
#include "tests/support/source_tree.h"

namespace parsec::db {
namespace {

TEST(DriverExample, AddsNumbersInOneTransaction) {
  const std::string command = testing::built_program("example_db") + " '" +
                              testing::private_cluster().conninfo("postgres") + "'";
  std::FILE* output = ::popen(command.c_str(), "r");
  ASSERT_NE(output, nullptr);
  char text[100] = {};
  const std::size_t length = std::fread(text, 1, sizeof(text), output);
  EXPECT_EQ(::pclose(output), 0);
  EXPECT_EQ(std::string(text, length), "3\n22\n");
}

}  // namespace
}  // namespace parsec::db
