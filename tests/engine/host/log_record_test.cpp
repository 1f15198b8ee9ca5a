#include "engine/host/log_record.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "engine/host/log.h"
#include "tests/support/log_capture.h"

namespace parsec::log {
namespace {

class LogRecord : public ::testing::Test {
 protected:
  LogRecord() { want_records(true); }
  ~LogRecord() override { want_records(false); }

  /// `event|sentence|name=value|…`, texts in quotation marks.
  static std::string read(std::string_view payload) {
    auto record = RecordReader::open(payload);
    if (!record) return "no record";
    std::string text = std::string{record->event()} + "|" + std::string{record->sentence()};
    while (const auto member = record->next()) {
      const std::string value{member->value};
      text += "|" + std::string{member->name} + "=" + (member->is_text ? "'" + value + "'" : value);
    }
    return text;
  }

  /// What was logged; without the end of line that the capture adds.
  std::string logged() const {
    const std::string text = capture_.text();
    return read(std::string_view{text}.substr(0, text.size() - 1));
  }

  parsec::testing::LogCapture capture_;
};

TEST_F(LogRecord, HoldsEventSentenceAndTypedMembers) {
  const std::string who = "alice";
  info("Request", "{}: {} of {}", connection(3, {.slot = 1, .generation = 2}), field("who", who),
       field("bytes", 7U), field("ratio", 0.25), field("last", true), field("change", -1));
  EXPECT_EQ(logged(),
            "Request|3-200000001: alice of 7|conn_id='3-200000001'|who='alice'|bytes=7"
            "|ratio=0.250000|last=true|change=-1");
}

TEST_F(LogRecord, KeepsAnyBytes) {
  const std::string odd{"\0\"\n\xFF", 4};
  warn("Odd", "<{}>", field("text", odd));
  EXPECT_EQ(logged(), "Odd|<" + odd + ">|text='" + odd + "'");
}

TEST_F(LogRecord, ASentenceSaysHowManyDecimals) {
  want_records(false);
  info("Event", "{:.1f} of {}%", field("part", 0.25), field("all", 1.5), field("more", 1));
  EXPECT_EQ(capture_.text(), "0.2 of 1.5%\n");
}

TEST_F(LogRecord, AnEventAloneIsItsSentence) {
  error("Stopping");
  EXPECT_EQ(logged(), "Stopping|Stopping");
}

TEST_F(LogRecord, LeavesOutWhatIsEmptyAndNeverWritesWhatIsNoJson) {
  info("Event", "{}", field("nobody", ""), field("x", std::numeric_limits<double>::infinity()));
  EXPECT_EQ(logged(), "Event||x=null");
}

TEST_F(LogRecord, WritesTheSentenceAloneWhereNobodyWantsRecords) {
  want_records(false);
  info("Event", "number {}", field("number", 1));
  EXPECT_EQ(capture_.text(), "number 1\n");
}

TEST_F(LogRecord, WhatIsCutOffIsNoRecord) {
  RecordWriter record{"Event"};
  record.end_sentence();
  record.member("name", std::string_view{"value"});
  const std::string_view whole = record.payload();
  EXPECT_EQ(read(whole), "Event||name='value'");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(read(whole.substr(0, size)), read(whole)) << size;
  }
  EXPECT_EQ(read("a plain sentence"), "no record");
}

TEST(ConnectionName, IsUniqueOverShardsSlotsAndGenerations) {
  std::set<std::string> names;
  for (std::uint32_t shard = 0; shard < 20; ++shard) {
    for (std::uint32_t slot = 0; slot < 20; ++slot) {
      for (std::uint32_t generation = 0; generation < 20; ++generation) {
        names.insert(fmt::format("{}", ConnectionName{shard, {slot, generation}}));
      }
    }
  }
  EXPECT_EQ(names.size(), 8000U);
}

}  // namespace
}  // namespace parsec::log
