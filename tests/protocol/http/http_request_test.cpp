#include "protocol/http/http_request.h"

#include <gtest/gtest.h>

#include <string>

namespace parsec::http {
namespace {

std::string head(std::string_view line, std::string_view fields = "Host: x\r\n") {
  return std::string{line}.append("\r\n").append(fields).append("\r\n");
}

// --- The end of the head -------------------------------------------------------------------------

TEST(HeadSize, IsFoundAtAnySplit) {
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const std::string_view before : {"", "\r\n", "\r\n\r\n"}) {
    const auto stream = std::string{before} + request + "next";
    const auto whole = before.size() + request.size();
    for (std::size_t size = 0; size < whole; ++size) {
      ASSERT_EQ(head_size(stream.substr(0, size)), 0u) << size;
      ASSERT_EQ(head_size(stream, size), whole) << size;
    }
    EXPECT_EQ(head_size(stream), whole);
  }
}

TEST(HeadSize, OfTheFirstRequestOnly) {
  const auto one = head("GET / HTTP/1.1");
  EXPECT_EQ(head_size(one + one), one.size());
}

// --- Request line (RFC 9112 §3) ------------------------------------------------------------------

struct LineRow {
  std::string line;
  std::string method, path, query;
};

TEST(RequestLine, IsRead) {
  const LineRow rows[] = {
      {"GET / HTTP/1.1", "GET", "/", ""},
      {"GET /ws HTTP/1.1", "GET", "/ws", ""},
      {"POST /anonymous/CoolOrg HTTP/1.1", "POST", "/anonymous/CoolOrg", ""},
      {"GET /a/b?c=d&e=f?g HTTP/1.1", "GET", "/a/b", "c=d&e=f?g"},
      {"GET /%2e%2e/%00 HTTP/1.1", "GET", "/%2e%2e/%00", ""},
      {"GET //x HTTP/1.1", "GET", "//x", ""},
      {"GET /redirect?a=http://b HTTP/1.1", "GET", "/redirect", "a=http://b"},
      {"GET http://example.com/ HTTP/1.1", "GET", "/", ""},
      {"GET HTTPS://example.com/a?b HTTP/1.1", "GET", "/a", "b"},
      {"GET http://example.com HTTP/1.1", "GET", "/", ""},
      {"GET http://example.com?a=1 HTTP/1.1", "GET", "/", "a=1"},
      {"OPTIONS * HTTP/1.1", "OPTIONS", "*", ""},
      {"CONNECT example.com:80 HTTP/1.1", "CONNECT", "example.com:80", ""},
      {"get / HTTP/1.1", "get", "/", ""},
      {"M-SEARCH / HTTP/1.1", "M-SEARCH", "/", ""},
      {"GET / HTTP/1.0", "GET", "/", ""},
      {"GET / HTTP/1.7", "GET", "/", ""},
  };
  for (const auto& row : rows) {
    const auto text = head(row.line);
    const auto request = parse_request(text);
    ASSERT_TRUE(request) << row.line;
    EXPECT_EQ(request->method, row.method) << row.line;
    EXPECT_EQ(request->path, row.path) << row.line;
    EXPECT_EQ(request->query, row.query) << row.line;
  }
}

TEST(RequestLine, IsRefused) {
  using namespace std::string_view_literals;
  for (const std::string_view line : {"hello world"sv,
                                      "GET"sv,
                                      "GET /"sv,
                                      "GET / "sv,
                                      ""sv,
                                      " / HTTP/1.1"sv,
                                      "GET  / HTTP/1.1"sv,
                                      "GET /  HTTP/1.1"sv,
                                      "GET / HTTP/1.1 "sv,
                                      "GET /a b HTTP/1.1"sv,
                                      "GET / HTTP/x"sv,
                                      "GET / HTTP/1"sv,
                                      "GET / HTTP/1."sv,
                                      "GET / HTTP/1.11"sv,
                                      "GET / HTTP/2.0"sv,
                                      "GET / HTTP/0.9"sv,
                                      "GET / http/1.1"sv,
                                      "GET / FTP/1.1"sv,
                                      "GET /\t HTTP/1.1"sv,
                                      "GET\t/ HTTP/1.1"sv,
                                      "GET /\xC3\xA9 HTTP/1.1"sv,
                                      "GET /\xFF HTTP/1.1"sv,
                                      "GET /\0 HTTP/1.1"sv,
                                      "G\xC3\x89T / HTTP/1.1"sv,
                                      "G\0T / HTTP/1.1"sv,
                                      "G(T / HTTP/1.1"sv,
                                      "GET /a#b HTTP/1.1"sv,
                                      "GET ftp://x/ HTTP/1.1"sv,
                                      "GET /a\nb HTTP/1.1"sv,
                                      "GET / HTTP/1.1\r"sv,
                                      "\x16\x03\x01\x02"sv}) {
    const auto request = parse_request(head(line));
    ASSERT_FALSE(request) << line;
    EXPECT_EQ(request.error(), 400) << line;
  }
}

// --- Header lines (RFC 9112 §5, RFC 9110 §5) -----------------------------------------------------

TEST(Fields, AreFoundInAnyCaseWithoutWhiteSpace) {
  const auto text = head("GET / HTTP/1.1",
                         "hOST: x\r\nEmpty:\r\nPlain:value\r\nSpaced: \t a b \t\r\n"
                         "Other: \xE9\xFF\r\nTwice: 1\r\ntwice: 2\r\nColons: a:b\r\n");
  const auto request = parse_request(text);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->header("Host"), "x");
  EXPECT_EQ(request->header("empty"), "");
  EXPECT_EQ(request->header("PLAIN"), "value");
  EXPECT_EQ(request->header("spaced"), "a b");
  EXPECT_EQ(request->header("other"), "\xE9\xFF");
  EXPECT_EQ(request->header("twice"), "1");
  EXPECT_EQ(request->header_count("twice"), 2u);
  EXPECT_EQ(request->header("colons"), "a:b");
  EXPECT_FALSE(request->header("absent"));
  EXPECT_FALSE(request->header("hos"));
}

TEST(Fields, AreListsOfTokens) {
  const auto text = head("GET / HTTP/1.1",
                         "Host: x\r\nConnection: keep-alive , UPGRADE\r\nConnection: other\r\n");
  const auto request = parse_request(text);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->header_lists("connection", "upgrade"));
  EXPECT_TRUE(request->header_lists("connection", "Keep-Alive"));
  EXPECT_TRUE(request->header_lists("connection", "other"));
  EXPECT_FALSE(request->header_lists("connection", "keep"));
  EXPECT_FALSE(request->header_lists("upgrade", "upgrade"));
}

struct FieldsRow {
  std::string fields;
  int status;  // 0: accepted
};

TEST(Fields, AreStrict) {
  using namespace std::string_literals;
  const FieldsRow rows[] = {
      {"Host: x\r\n", 0},
      {"Host:\r\n", 0},
      {"Host: [::1]:6777\r\n", 0},
      {"", 400},
      {"Host: x\r\nHost: x\r\n", 400},
      {"Host: x y\r\n", 400},
      {"Host: x/y\r\n", 400},
      {"Host: x\r\nnocolon\r\n", 400},
      {"Host: x\r\nna me: x\r\n", 400},
      {"Host: x\r\nname : x\r\n", 400},
      {"Host: x\r\n: x\r\n", 400},
      {"Host: x\r\nname: a\r\n folded\r\n", 400},
      {"Host: x\r\n name: a\r\n", 400},
      {"Host: x\r\nname: a\0b\r\n"s, 400},
      {"Host: x\r\nname: a\rb\r\n", 400},
      {"Host: x\r\nname: a\nb\r\n", 400},
      {"Host: x\r\nname: \x7F\r\n", 400},
      {"Host: x\r\nn\xC3\xA9: x\r\n", 400},
      // The body, RFC 9112 §6
      {"Host: x\r\nContent-Length: 0\r\n", 0},
      {"Host: x\r\nContent-Length: 18446744073709551615\r\n", 0},
      {"Host: x\r\nContent-Length: 18446744073709551616\r\n", 400},
      {"Host: x\r\nContent-Length: abc\r\n", 400},
      {"Host: x\r\nContent-Length: -1\r\n", 400},
      {"Host: x\r\nContent-Length: +1\r\n", 400},
      {"Host: x\r\nContent-Length:\r\n", 400},
      {"Host: x\r\nContent-Length: 3, 3\r\n", 400},
      {"Host: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n", 400},
      {"Host: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n", 400},
      {"Host: x\r\nTransfer-Encoding: chunked\r\n", 0},
      {"Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400},
  };
  for (const auto& row : rows) {
    const auto text = head("GET / HTTP/1.1", row.fields);
    const auto request = parse_request(text);
    EXPECT_EQ(request ? 0 : request.error(), row.status) << row.fields;
  }
}

TEST(Fields, ABodyOfUnknownLengthEndsTheConnection) {
  const auto text = head("POST / HTTP/1.1", "Host: x\r\nTransfer-Encoding: chunked\r\n");
  const auto request = parse_request(text);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->has_unknown_length);
  EXPECT_FALSE(request->keep_alive);
}

TEST(Fields, OfHttp10) {
  EXPECT_TRUE(parse_request(head("GET / HTTP/1.0", "")));
  const auto chunked = parse_request(head("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n"));
  ASSERT_FALSE(chunked);
  EXPECT_EQ(chunked.error(), 400);
}

// --- Life of the connection ----------------------------------------------------------------------

struct KeepAliveRow {
  std::string version, fields;
  bool keep_alive;
};

TEST(KeepAlive, AsHttp11Says) {
  const KeepAliveRow rows[] = {
      {"1.1", "", true},
      {"1.1", "Connection: keep-alive\r\n", true},
      {"1.1", "Connection: close\r\n", false},
      {"1.1", "Connection: CLOSE\r\n", false},
      {"1.1", "Connection: x, close\r\n", false},
      {"1.1", "Content-Length: 100000\r\n", true},
      {"1.1", "Content-Length: 1048577\r\n", false},
      {"1.1", "Content-Length: 5\r\nExpect: 100-continue\r\n", false},
      {"1.0", "", false},
      {"1.0", "Connection: keep-alive\r\n", false},
  };
  for (const auto& row : rows) {
    const auto text = head("POST / HTTP/" + row.version, "Host: x\r\n" + row.fields);
    const auto request = parse_request(text);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->keep_alive, row.keep_alive) << row.version << " " << row.fields;
  }
}

// --- Upgrade (RFC 6455 §4.2.1, protocol/1-transport.md §1.1)
// ----------------------------------------------

const std::string upgrade = "Upgrade: websocket\r\n";
const std::string connection = "Connection: Upgrade\r\n";
const std::string version = "Sec-WebSocket-Version: 13\r\n";
const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

struct UpgradeRow {
  std::string line, fields;
  Upgrade expected;
};

TEST(WebSocketUpgrade, IsDecided) {
  const std::string get = "GET /ws HTTP/1.1";
  const auto all = upgrade + connection + version + key;
  const UpgradeRow rows[] = {
      {get, all, Upgrade::websocket},
      {"GET /redirect/some/thing?x=1 HTTP/1.1", all, Upgrade::websocket},
      {get, "UPGRADE: WebSocket\r\n" + connection + version + key, Upgrade::websocket},
      {get, "Upgrade: h2c, websocket\r\n" + connection + version + key, Upgrade::websocket},
      {get, upgrade + "connection: upgrade\r\n" + version + key, Upgrade::websocket},
      {get, upgrade + "Connection: keep-alive, Upgrade\r\n" + version + key, Upgrade::websocket},
      {get, all + "Sec-WebSocket-Extensions: permessage-deflate\r\n", Upgrade::websocket},
      {get, "", Upgrade::none},
      {get, upgrade + version + key, Upgrade::none},
      {get, upgrade + "Connection: upgraded\r\n" + version + key, Upgrade::none},
      {get, "Upgrade: h2c\r\n" + connection, Upgrade::none},
      {get, connection, Upgrade::none},
      {get, connection + version + key, Upgrade::invalid},
      {get, "Upgrade: h2c\r\n" + connection + version + key, Upgrade::invalid},
      {get, upgrade + connection + version, Upgrade::invalid},
      {get, upgrade + connection + key, Upgrade::invalid},
      {get, all + key, Upgrade::invalid},
      {get, upgrade + connection + version + "Sec-WebSocket-Key: c2hvcnQ=\r\n", Upgrade::invalid},
      {get, upgrade + connection + version + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!!\r\n",
       Upgrade::invalid},
      {"POST /ws HTTP/1.1", all, Upgrade::invalid},
      {"GET /ws HTTP/1.0", all, Upgrade::invalid},
      {get, all + "Content-Length: 3\r\n", Upgrade::invalid},
      {get, upgrade + connection + key + "Sec-WebSocket-Version: 8\r\n", Upgrade::wrong_version},
  };
  for (const auto& row : rows) {
    const auto text = head(row.line, "Host: x\r\n" + row.fields);
    const auto request = parse_request(text);
    ASSERT_TRUE(request);
    EXPECT_EQ(upgrade_of(*request), row.expected) << text;
  }
}

}  // namespace
}  // namespace parsec::http
