#include "app/log_line.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace parsec::app {
namespace {

std::string line(LogConfiguration::Format format, std::string_view message) {
  std::string out;
  const std::chrono::system_clock::time_point time{std::chrono::microseconds{1'500'000}};
  append_log_line(out, format, {time, "info", message});
  return out;
}

TEST(LogLine, Console) {
  EXPECT_EQ(line(LogConfiguration::Format::console, "a \"b\" \\"),
            "1970-01-01T00:00:01.500000Z [info    ] a \"b\" \\\n");
}

TEST(LogLine, Json) {
  EXPECT_EQ(line(LogConfiguration::Format::json, "a \"b\" \\ é"),
            R"({"timestamp":"1970-01-01T00:00:01.500000Z","level":"info","event":"a \"b\" \\ é"})"
            "\n");
}

// What a client sends may be in a message: it must not make lines of its own.
TEST(LogLine, AMessageStaysOneLine) {
  for (const auto format : {LogConfiguration::Format::console, LogConfiguration::Format::json}) {
    const std::string text = line(format, "a\nb\rc\x1B[2Jd\x7F");
    EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
    EXPECT_NE(text.find("a\\u000ab\\u000dc\\u001b[2Jd\\u007f"), std::string::npos) << text;
  }
}

TEST(LogLine, WhatIsNoUtf8IsReplaced) {
  EXPECT_NE(line(LogConfiguration::Format::json, "a\xFF\xC3z").find("a\xEF\xBF\xBD\xEF\xBF\xBDz"),
            std::string::npos);
}

}  // namespace
}  // namespace parsec::app
