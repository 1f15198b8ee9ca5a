#include "app/backend/log_line.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "engine/host/log_record.h"

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

/// The line of a record.
std::string line_of_record(std::string_view level, std::string_view text) {
  log::want_records(true);
  log::RecordWriter record{"Event"};
  fmt::format_to(record.sentence(), "a sentence");
  record.end_sentence();
  record.member("text", text);
  record.member("number", 1);
  log::want_records(false);
  std::string out;
  append_log_line(out, LogConfiguration::Format::json, {{}, level, record.payload()});
  return out;
}

TEST(LogLine, ARecordsFieldsAreMembers) {
  EXPECT_EQ(line_of_record("info", "x"),
            R"({"timestamp":"1970-01-01T00:00:00.000000Z","level":"info","event":"Event",)"
            R"("text":"x","number":1})"
            "\n");
  EXPECT_NE(line_of_record("warning", "x").find(R"("number":1,"message":"a sentence"})"),
            std::string::npos);
}

// Whatever bytes a peer sent: the line is one line, valid UTF-8 and valid JSON (RFC 8259 §7, §8.1).
TEST(LogLine, AnyBytesStayInTheirMember) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text{'a', static_cast<char>(byte), 'z'};
    std::string line = line_of_record("info", text);
    ASSERT_EQ(line.find('\n'), line.size() - 1) << byte;
    simdjson::dom::parser parser;
    const simdjson::dom::element element = parser.parse(line);
    const std::string_view read = element["text"];
    EXPECT_EQ(read, byte < 0x80 ? text : "a\xEF\xBF\xBDz") << byte;
    EXPECT_EQ(std::int64_t{element["number"]}, 1);
  }
}

}  // namespace
}  // namespace parsec::app
