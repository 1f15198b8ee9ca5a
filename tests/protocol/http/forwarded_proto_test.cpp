#include "protocol/http/forwarded_proto.h"

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

TEST(ForwardedProto, IsToldByAHeaderWithAnotherValue) {
  const std::pair<const char*, bool> rows[] = {
      {"X-Proto: http\r\n", true},
      {"X-Proto: HTTPS\r\n", true},
      {"X-Proto:\r\n", true},
      {"X-Proto: https, http\r\n", true},
      {"X-Proto: https\r\nX-PROTO: http\r\n", true},
      {"X-Proto: https\r\n", false},
      {"x-pROTO:https\r\n", false},
      {"X-Proto: https\r\nX-PROTO: https\r\n", false},
      {"", false},
      {"X-Protos: http\r\nOther: http\r\n", false},
  };
  const ForwardedProto proto{"X-Proto", "https"};
  for (const auto& [fields, expected] : rows) {
    const auto head = std::string{"GET / HTTP/1.1\r\nHost: x\r\n"} + fields + "\r\n";
    const auto request = http::parse_request(head);
    ASSERT_TRUE(request) << fields;
    EXPECT_EQ(proto.came_over_http(*request), expected) << fields;
  }
}

}  // namespace
}  // namespace parsec::protocol
