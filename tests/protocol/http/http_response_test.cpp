#include "protocol/http/http_response.h"

#include <gtest/gtest.h>

#include <string>

namespace parsec::http {
namespace {

constexpr DateTime sunday{784111777'000000};  // RFC 9110 §5.6.7

TEST(Response, IsWrittenWhole) {
  engine::OutputBuffer out;
  write_response(out, {200, "text/plain", "body", {{"location", "x"}}},
                 {.now = sunday, .server = "parsec", .keep_alive = true});
  EXPECT_EQ(as_text(out.bytes()),
            "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: parsec\r\n"
            "content-type: text/plain\r\ncontent-length: 4\r\nlocation: x\r\n"
            "connection: keep-alive\r\n\r\nbody");
}

TEST(Response, ToHeadHasTheLengthButNoBody) {
  engine::OutputBuffer out;
  write_response(out, {404, "text/plain", "body", {}},
                 {.now = sunday, .server = "parsec/3.0.0", .without_body = true});
  EXPECT_EQ(as_text(out.bytes()),
            "HTTP/1.1 404 Not Found\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "server: parsec/3.0.0\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n"
            "connection: close\r\n\r\n");
}

TEST(Response, ToAnUpgrade) {
  engine::OutputBuffer out;
  write_upgrade(out, "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(as_text(out.bytes()),
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

TEST(Date, OfTheCalendar) {
  EXPECT_EQ(date_text({0}), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date_text({1709251199'999999}), "Thu, 29 Feb 2024 23:59:59 GMT");
}

TEST(ReasonPhrase, OfEveryStatusInUse) {
  for (const int status : {200, 302, 400, 404, 405, 426, 431, 501}) {
    EXPECT_NE(reason_phrase(status), "Unknown") << status;
  }
}

}  // namespace
}  // namespace parsec::http
