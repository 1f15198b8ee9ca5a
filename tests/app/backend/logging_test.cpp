#include "app/backend/logging.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "engine/host/log.h"

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
    log::info("Event", "too small {}", log::field("number", 1));
    log::warn("Event", "large enough {}", log::field("number", 2));
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

/// A log file that takes as little as a pipe does before somebody reads.
class SlowFile {
 public:
  explicit SlowFile(const std::filesystem::path& path) {
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    reader_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_EQ(::fcntl(reader_, F_SETPIPE_SZ, capacity), capacity);
    EXPECT_EQ(::fcntl(reader_, F_SETFL, 0), 0) << "reading waits";
  }
  ~SlowFile() { ::close(reader_); }

  std::string read_line() {
    std::string line;
    while (!line.ends_with('\n') && read_some(line, 1)) continue;
    return line;
  }
  void skip(std::size_t bytes) {
    for (std::string skipped; skipped.size() < bytes;) {
      ASSERT_TRUE(read_some(skipped, std::min(bytes - skipped.size(), part_.size())));
    }
  }
  std::string read_to_end() {
    std::string text;
    while (read_some(text, part_.size())) continue;
    return text;
  }
  void await_full() const {
    int unread = 0;
    while (unread != capacity) ASSERT_EQ(::ioctl(reader_, FIONREAD, &unread), 0);
  }

  static constexpr int capacity = 4096;

 private:
  bool read_some(std::string& text, std::size_t most) {
    const ssize_t length = ::read(reader_, part_.data(), most);
    if (length > 0) text.append(part_.data(), static_cast<std::size_t>(length));
    return length > 0;
  }

  int reader_ = -1;
  std::array<char, 65536> part_{};
};

// The log ends while its thread is about to tell how much was lost: what waits is written first.
TEST_F(LoggingTest, LosesNothingAtItsEnd) {
  SlowFile file{path_};
  auto logging = Logging::start(configuration_);
  ASSERT_TRUE(logging) << logging.error();
  log::error("x");
  const std::size_t frame = file.read_line().size() - 1;

  constexpr std::size_t line_bytes = std::size_t{1}
                                     << 20;  // whole pages: a pipe refills only those
  const std::string long_text(line_bytes - frame, 'x');
  log::error("Event", "{}", log::field("text", long_text));
  file.await_full();  // the thread is writing it: the following cannot push it out of the queue
  for (int i = 0; i < 20'000; ++i) log::error("more than the queue holds");
  log::error("the last");
  file.skip(line_bytes - SlowFile::capacity);
  file.await_full();  // with the end of the long line: the thread goes on to what was lost

  std::thread ending{
      [ended = std::move(*logging)]() mutable { const Logging last{std::move(ended)}; }};
  const std::string text = file.read_to_end();
  ending.join();
  EXPECT_THAT(text, HasSubstr("messages were lost"));
  EXPECT_TRUE(text.ends_with("the last\n"))
      << text.substr(text.size() - std::min<std::size_t>(text.size(), 100));
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
