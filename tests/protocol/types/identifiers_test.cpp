#include "protocol/types/identifiers.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/protocol/vectors.h"

namespace parsec::protocol {
namespace {

using Check = bool (*)(std::string_view);

struct Row {
  std::string text;
  bool valid;
};

std::string sharp(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "ß";
  return text;
}

// protocol/3-types.md §3.1: what organization ID, user ID and device name have in common.
const Row words[] = {
    {"", false},
    {"a", true},
    {"A_b-9", true},
    {"-", true},
    {"_", true},
    {"é", true},
    {"日本語", true},
    {"٣٤", true},
    {"𝒳", true},
    {"½", true},
    {"²", true},
    {"ⅷ", true},
    {"ª", true},
    {"a\u0301", false},
    {"a·b", false},
    {"€", false},
    {"😀", false},
    {"a\u200b", false},
    {"a\u00a0b", false},
    {"\u202e"
     "abc",
     false},
    {"a b", false},
    {"a.b", false},
    {"a@b", false},
    {"a/b", false},
    {"a\n", false},
    {std::string{"a\0b", 3}, false},
    {"a\xFF", false},
    {"\xC3", false},
    {std::string(32, 'a'), true},
    {std::string(33, 'a'), false},
    {sharp(16), true},
    {sharp(17), false},
};

TEST(Identifiers, Words) {
  for (const Check check : {is_organization_id, is_user_id, is_device_name}) {
    for (const auto& row : words) EXPECT_EQ(check(row.text), row.valid) << row.text;
  }
}

TEST(Identifiers, DeviceIds) {
  const Row rows[] = {
      {"alice@dev1", true},
      {"@b", false},
      {"a@", false},
      {"a@@b", false},
      {"a@b@c", false},
      {"alice", false},
      {"a@b\n", false},
      {std::string(32, 'a') + "@" + std::string(32, 'b'), true},
      {std::string(33, 'a') + "@b", false},
      {"a@" + std::string(33, 'b'), false},
      {sharp(17) + "@b", false},
      {"zoe@" + sharp(17), true},  // a device name has no byte limit of its own here
      {"zoe@" + sharp(30), true},
      {"zoe@" + sharp(31), false},
  };
  for (const auto& row : rows) EXPECT_EQ(is_device_id(row.text), row.valid) << row.text;
  EXPECT_EQ(user_of("alice@dev1"), "alice");
  EXPECT_EQ(device_name_of("alice@dev1"), "dev1");
}

TEST(Identifiers, VectorsOfTheContract) {
  for_each_vector("identifiers.jsonl", [](auto row) {
    const std::string type{row["type"].get_string().value()};
    const std::string value{row["value"].get_string().value()};
    const Check check = type == "organization_id" ? is_organization_id
                        : type == "user_id"       ? is_user_id
                        : type == "device_name"   ? is_device_name
                                                  : is_device_id;
    EXPECT_EQ(check(value), row["valid"].get_bool().value()) << type << " " << value;
  });
}

TEST(Identifiers, ProfilesAndRoles) {
  for (const auto profile : {Profile::admin, Profile::standard, Profile::outsider}) {
    EXPECT_EQ(parse_profile(name(profile)), profile);
  }
  for (const auto role : {Role::owner, Role::manager, Role::contributor, Role::reader}) {
    EXPECT_EQ(parse_role(name(role)), role);
  }
  EXPECT_FALSE(parse_profile("admin"));
  EXPECT_FALSE(parse_role(""));
}

}  // namespace
}  // namespace parsec::protocol
