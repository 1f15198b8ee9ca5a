#include "protocol/types/human_handle.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/types/identifiers.h"
#include "tests/protocol/vectors.h"

namespace parsec::protocol {
namespace {

struct Row {
  std::string text;
  bool valid;
};

TEST(HumanHandle, Labels) {
  const Row rows[] = {
      {"A", true},
      {"John Doe", true},
      {"Dr. John", true},
      {"a.b", true},
      {".", true},
      {"O'Brien", true},
      {"Zoé Ñandú", true},
      {"日本 太郎", true},
      {"John\\Doe", true},
      {"=?utf-8?q?x?=", true},
      {"John (work)", true},
      {"John ()", true},
      {"John (at <home>, \"x\")", true},
      {"", false},
      {" A", false},
      {"A ", false},
      {"John  Doe", false},
      {"John\tDoe", false},
      {"John\nDoe", false},
      {std::string{"John\0", 5}, false},
      {"John\x7F", false},
      {"Doe, John", false},
      {"John;Doe", false},
      {"John:Doe", false},
      {"John \"JD\" Doe", false},
      {"\"John\"", false},
      {"John <x>", false},
      {"a@b", false},
      {"[x]", false},
      {"(work)", false},
      {"(work) John", false},
      {"John(work)", false},
      {"John (a) (b)", false},
      {"John (a (b))", false},
      {"John (a\\b)", false},
      {"John  (work)", false},
      {"John (work", false},
      {"John work)", false},
  };
  for (const auto& row : rows) EXPECT_EQ(is_plain_display_name(row.text), row.valid) << row.text;
}

TEST(HumanHandle, Addresses) {
  const Row rows[] = {
      {"a@b.c", true},
      {"john+tag@example.com", true},
      {"john", true},
      {"a b@c.d", true},
      {"a  b@c.d", true},
      {"\"a b\"@c.d", true},
      {"\"a\"b@c.d", true},
      {"\"a\\\"\\\\b\"@c.d", true},
      {"é@example.com", true},
      {"a@exämple.com", true},
      {"a@[127.0.0.1]", true},
      {"a.b.@c", true},
      {"", false},
      {"@b.c", false},
      {"a@", false},
      {"a@b@c", false},
      {" a@b.c", false},
      {"a@b.c ", false},
      {"a @b.c", false},
      {"a@ b.c", false},
      {"a. b@c", false},
      {"a .b@c", false},
      {"a\tb@c", false},
      {"a@b.c\n", false},
      {"<a@b.c>", false},
      {"a@b.c>", false},
      {"a@b,c@d", false},
      {"a;b@c.d", false},
      {"a:b@c.d", false},
      {"(x)a@b.c", false},
      {"a@b.c(x)", false},
      {"\"a\\b\"@c.d", false},
      {"\"a@c.d", false},
      {"a@\"b\"", false},
      {"a@[b", false},
      {"a@[b\\c]", false},
  };
  for (const auto& row : rows) EXPECT_EQ(is_plain_address(row.text), row.valid) << row.text;
}

TEST(HumanHandle, LengthInBytes) {
  EXPECT_TRUE(is_human_handle("a@b", std::string(254, 'J')));
  EXPECT_FALSE(is_human_handle("a@b", std::string(255, 'J')));
  EXPECT_TRUE(is_human_handle("a@" + std::string(252, 'b'), "A"));
  EXPECT_FALSE(is_human_handle("a@" + std::string(253, 'b'), "A"));
}

TEST(HumanHandle, Text) { EXPECT_EQ((HumanHandle{"a@b.c", "A B"}).text(), "A B <a@b.c>"); }

TEST(HumanHandle, VectorsOfTheContract) {
  for_each_vector("human_handles.jsonl", [](auto row) {
    const std::string email{row["email"].get_string().value()};
    const std::string label{row["label"].get_string().value()};
    EXPECT_EQ(is_human_handle(email, label), row["valid"].get_bool().value())
        << label << " <" << email << ">";
  });
}

}  // namespace
}  // namespace parsec::protocol
