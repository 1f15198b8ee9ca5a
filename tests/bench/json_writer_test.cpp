#include "bench/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

#include "bench/json_reader.h"

namespace parsec::bench {
namespace {

TEST(JsonWriter, ObjectsListsAndRows) {
  JsonWriter writer;
  writer.begin_object();
  writer.member("name", "x");
  writer.key("list");
  writer.begin_list();
  writer.begin_row();
  writer.value(1u);
  writer.begin_row();
  writer.value(2.5);
  writer.value(true);
  writer.end_list();
  writer.end_list();
  writer.end_list();
  writer.key("nothing");
  writer.begin_object();
  writer.end_object();
  writer.end_object();
  EXPECT_EQ(writer.take(),
            "{\n  \"name\": \"x\",\n  \"list\": [\n    [1, [2.5, true]]\n  ],\n  \"nothing\": "
            "{}\n}\n");
}

TEST(JsonWriter, EveryTextReadsBackTheSame) {
  std::string text = "\"quoted\" \\ / é \xf0\x9f\x94\x92";
  for (char control = 1; control < 0x20; ++control) text += control;
  text += '\0';
  JsonWriter writer;
  writer.begin_object();
  writer.member("text", std::string_view{text});
  writer.end_object();
  std::string back;
  const auto read = JsonReader::document(writer.take(), [&](JsonReader& reader) {
    reader.text("text", back);
    return 0;
  });
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(back, text);
}

TEST(JsonWriter, EveryNumberReadsBackTheSame) {
  using Limits = std::numeric_limits<double>;
  for (const double number : {0.0, 1.0, -1.0, 0.1, 1.0 / 3, 1e300, Limits::max(), Limits::min(),
                              Limits::denorm_min(), 123456789012345680.0, 9007199254740993.0}) {
    JsonWriter writer;
    writer.begin_object();
    writer.member("number", number);
    writer.member("most", UINT64_MAX);
    writer.end_object();
    double back = -7;
    std::uint64_t most = 0;
    const auto read = JsonReader::document(writer.take(), [&](JsonReader& reader) {
      reader.number("number", back, {});
      reader.whole("most", most);
      return 0;
    });
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(back, number);
    EXPECT_EQ(most, UINT64_MAX);
  }
}

}  // namespace
}  // namespace parsec::bench
