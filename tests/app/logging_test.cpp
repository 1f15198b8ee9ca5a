#include "app/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "engine/log.h"

namespace parsec::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// What a Logging of this configuration writes into its file while `body` logs.
class LoggingTest : public testing::Test {
 protected:
  LoggingTest()
      : path_(std::filesystem::temp_directory_path() /
              ("parsec-log-" + std::to_string(::getpid()))) {
    std::filesystem::remove(path_);
    configuration_.file = path_;
  }
  ~LoggingTest() override { std::filesystem::remove(path_); }

  template <typename Body>
  std::string written(Body body) {
    {
      const auto logging = Logging::start(configuration_);
      EXPECT_TRUE(logging) << logging.error();
      body();
    }
    std::ostringstream text;
    text << std::ifstream{path_}.rdbuf();
    return text.str();
  }

  std::filesystem::path path_;
  LogConfiguration configuration_;
};

TEST_F(LoggingTest, WritesWhatTheLevelLetsThrough) {
  const std::string text = written([] {
    log::info("too small {}", 1);
    log::warn("large enough {}", 2);
  });
  EXPECT_THAT(text, HasSubstr("[warning ] large enough 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("too small")));
}

TEST_F(LoggingTest, WritesOnlyWhatTheFilterFinds) {
  configuration_.filter = "organization=Org[12]\\b";
  const std::string text = written([] {
    log::warn("organization=Org1 first");
    log::warn("organization=Org3 second");
    log::warn("organization=Org2 third");
  });
  EXPECT_THAT(text, HasSubstr("first"));
  EXPECT_THAT(text, Not(HasSubstr("second")));
  EXPECT_THAT(text, HasSubstr("third"));
}

TEST_F(LoggingTest, AppendsToItsFile) {
  written([] { log::error("one"); });
  EXPECT_THAT(written([] { log::error("two"); }), HasSubstr("one"));
}

// The end of the log must not depend on what its thread does at that moment.
TEST_F(LoggingTest, LosesNothingAtItsEnd) {
  for (int i = 0; i < 300; ++i) {
    const std::string text = written([] {
      for (int line = 0; line < 50; ++line) log::error("line");
      log::error("the last");
    });
    ASSERT_THAT(text, HasSubstr("the last")) << "in round " << i;
  }
}

// A burst larger than the queue: nobody waits, and the log tells how many messages it lacks.
TEST_F(LoggingTest, TellsHowManyMessagesWereLost) {
  constexpr int messages = 200'000;
  const std::string text = written([] {
    for (int i = 0; i < messages; ++i) log::error("burst");
    log::error("the last");
  });
  const auto lines = std::count(text.begin(), text.end(), '\n');
  EXPECT_THAT(text, HasSubstr("the last"));
  if (lines <= messages) {
    EXPECT_THAT(text, HasSubstr("messages were lost"));
  }
}

TEST(Logging, AFileThatCannotBeOpenedIsAnError) {
  LogConfiguration configuration;
  configuration.file = "/no/such/directory/parsec.log";
  const auto logging = Logging::start(configuration);
  ASSERT_FALSE(logging);
  EXPECT_THAT(logging.error(), HasSubstr("/no/such/directory/parsec.log"));
}

}  // namespace
}  // namespace parsec::app
