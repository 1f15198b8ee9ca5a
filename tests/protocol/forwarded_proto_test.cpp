#include "protocol/forwarded_proto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parsec::protocol {
namespace {

using testing::HasSubstr;

TEST(ForwardedProto, IsReadFromTheOption) {
  const auto proto = ForwardedProto::parse("X-Forwarded-Proto:https");
  ASSERT_TRUE(proto);
  EXPECT_EQ(proto->header, "X-Forwarded-Proto");
  EXPECT_EQ(proto->value, "https");
}

TEST(ForwardedProto, SaysWhatIsWrongWithTheOption) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "should be `<header-name>:<header-value>`"},
      {"X-Forwarded-Proto", "should be `<header-name>:<header-value>`"},
      {"X-Forwarded-Proto:https:443", "should be `<header-name>:<header-value>`"},
      {":https", "no name of an HTTP header"},
      {"X Proto:https", "no name of an HTTP header"},
      {"X-Proto :https", "no name of an HTTP header"},
      {"X-Pr\xC3\xB6to:https", "no name of an HTTP header"},
      {"X-Proto:", "is empty"},
      {"X-Proto: https", "white space around it"},
      {"X-Proto:https ", "white space around it"},
      {"X-Proto:https\n", "control character"},
  };
  for (const auto& [text, why] : rows) {
    const auto proto = ForwardedProto::parse(text);
    ASSERT_FALSE(proto) << text;
    EXPECT_THAT(proto.error(), HasSubstr(why)) << text;
  }
}

TEST(ForwardedProto, NeedsEveryHeaderOfThatNameToHaveTheValue) {
  const std::pair<const char*, bool> rows[] = {
      {"X-Proto: https\r\n", true},
      {"x-pROTO:https\r\n", true},
      {"X-Proto: https\r\nX-PROTO: https\r\n", true},
      {"", false},
      {"X-Proto:\r\n", false},
      {"X-Proto: http\r\n", false},
      {"X-Proto: HTTPS\r\n", false},
      {"X-Proto: https, http\r\n", false},
      {"X-Proto: https\r\nX-Proto: http\r\n", false},
      {"X-Proto: http\r\nX-Proto: https\r\n", false},
      {"X-Protos: https\r\nOther: https\r\n", false},
  };
  const ForwardedProto proto{"X-Proto", "https"};
  for (const auto& [fields, expected] : rows) {
    const auto head = std::string{"GET / HTTP/1.1\r\nHost: x\r\n"} + fields + "\r\n";
    const auto request = http::parse_request(head);
    ASSERT_TRUE(request) << fields;
    EXPECT_EQ(proto.is_https(*request), expected) << fields;
  }
}

}  // namespace
}  // namespace parsec::protocol
