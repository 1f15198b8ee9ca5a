// app/server.md §2 and protocol/1-transport.md §1.1: what plain HTTP clients meet on the port.
#include <algorithm>
#include <map>
#include <regex>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

struct Answer {
  std::string status_line;
  std::multimap<std::string, std::string> headers;  // names as they came
  std::string body;

  std::string operator[](const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "<absent>" : found->second;
  }
};

std::string request(const std::string& target, const std::vector<std::string>& headers = {},
                    const std::string& method = "GET", const std::string& body = "") {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: example.com\r\n";
  for (const std::string& line : headers) text += line + "\r\n";
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

class HttpClient {
 public:
  explicit HttpClient(const Address& address) : socket(address) {}

  Answer ask(const std::string& text) {
    socket.send(text);
    return answer();
  }

  Answer answer(bool with_body = true) {
    const std::string head = take_through("\r\n\r\n");
    Answer got;
    std::size_t at = head.find("\r\n");
    got.status_line = head.substr(0, at);
    while (at + 4 < head.size()) {
      const std::size_t end = head.find("\r\n", at + 2);
      const std::string line = head.substr(at + 2, end - at - 2);
      const std::size_t colon = line.find(": ");
      got.headers.emplace(line.substr(0, colon), line.substr(colon + 2));
      at = end;
    }
    if (with_body) got.body = take(std::stoul(got["content-length"]));
    return got;
  }

  /// What still comes until the server ends the connection.
  std::string rest() {
    while (socket.receive(within(patience))) {
    }
    return std::exchange(socket.input, {});
  }

  Socket socket;

 private:
  std::string take(std::size_t count) {
    while (socket.input.size() < count) need_more();
    std::string taken = socket.input.substr(0, count);
    socket.input.erase(0, count);
    return taken;
  }
  std::string take_through(std::string_view end) {
    while (socket.input.find(end) == std::string::npos) need_more();
    return take(socket.input.find(end) + end.size());
  }
  void need_more() {
    if (!socket.receive(within(patience))) {
      throw ClientError("the answer ended early: " + socket.input);
    }
  }
};

class Http : public IntegrationTest {
 protected:
  static Answer get(const std::string& target, const std::vector<std::string>& headers = {}) {
    return HttpClient{here()}.ask(request(target, headers));
  }
  /// The address of --dev, as redirects show it.
  static std::string parsec_link(const std::string& path_and_query, bool has_query) {
    return "parsec://localhost:" + std::to_string(here().port) + path_and_query +
           (has_query ? "&" : "?") + "no_ssl=true";
  }
};

TEST_F(Http, FrontPage) {
  for (const char* target : {"/", "/?utm=x", "http://example.com/"}) {
    const Answer answer = get(target);
    EXPECT_EQ(answer.status_line, "HTTP/1.1 200 OK");
    EXPECT_EQ(answer["content-type"], "text/html;charset=utf-8");
    const std::regex link{R"(href="https?://)"};
    const std::sregex_iterator links{answer.body.begin(), answer.body.end(), link};
    EXPECT_GE(std::distance(links, {}), 2) << answer.body;
  }
}

TEST_F(Http, AssetsOfThePage) {
  const std::string page = get("/").body;
  const std::regex asset{R"lit((?:href|src)="(/[^"]*)")lit"};
  int count = 0;
  for (std::sregex_iterator it{page.begin(), page.end(), asset}; it != std::sregex_iterator{};
       ++it, ++count) {
    EXPECT_TRUE((*it)[1].str().starts_with("/static/"));
    EXPECT_EQ(get((*it)[1].str()).status_line, "HTTP/1.1 200 OK") << (*it)[1];
  }
  EXPECT_GT(count, 0);
  EXPECT_TRUE(get("/static/base.css")["content-type"].starts_with("text/css"));
  EXPECT_TRUE(get("/static/favicon.ico")["content-type"].starts_with("image/"));
}

TEST_F(Http, NotFound) {
  for (const char* target : {"/nope",
                             "/index.html",
                             "/favicon.ico",
                             "/ws",
                             "/nope?a=1",
                             "/a/b/c",
                             "/anonymous/CoolOrg",
                             "/%3Cscript%3Ealert(1)%3C/script%3E",
                             "/redirectx",
                             "/static",
                             "/static/",
                             "/static/nope.css",
                             "/static/nope/base.css",
                             "/static/../base.css",
                             "/static/../../../../../../etc/passwd",
                             "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                             "/static/..%2f..%2f..%2fetc%2fpasswd",
                             "/static//etc/passwd",
                             "/static/..\\..\\etc\\passwd",
                             "/static/base.css%00.png",
                             "/static/base.css/"}) {
    const Answer answer = get(target);
    EXPECT_EQ(answer.status_line, "HTTP/1.1 404 Not Found") << target;
    EXPECT_EQ(answer["content-type"], "text/html;charset=utf-8") << target;
    EXPECT_EQ(answer.body.find("root:"), std::string::npos) << target;
    EXPECT_EQ(answer.body.find("<script>alert"), std::string::npos) << target;
  }
}

TEST_F(Http, OtherMethods) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"}) {
    for (const char* target : {"/", "/redirect/CoolOrg", "/static/base.css"}) {
      EXPECT_EQ(HttpClient{here()}.ask(request(target, {}, method)).status_line,
                "HTTP/1.1 405 Method Not Allowed")
          << method << " " << target;
    }
    for (const char* target : {"/nope", "/anonymous/CoolOrg", "/ws"}) {
      EXPECT_EQ(HttpClient{here()}.ask(request(target, {}, method)).status_line,
                "HTTP/1.1 404 Not Found")
          << method << " " << target;
    }
  }
}

TEST_F(Http, TellsAClientThatStillSendsItsBody) {
  for (const std::size_t size : {3u, 5'000u, 100'000u}) {
    const Answer answer =
        HttpClient{here()}.ask(request("/anonymous/CoolOrg", {"Content-Type: application/msgpack"},
                                       "POST", std::string(size, 'b')));
    EXPECT_EQ(answer.status_line, "HTTP/1.1 404 Not Found") << size;
  }
}

TEST_F(Http, Head) {
  for (const char* target : {"/", "/static/base.css", "/redirect/CoolOrg?a=1", "/nope"}) {
    const Answer wanted = get(target);
    HttpClient client{here()};
    client.socket.send(request(target, {"Connection: close"}, "HEAD"));
    const Answer answer = client.answer(false);
    EXPECT_EQ(answer.status_line, wanted.status_line) << target;
    EXPECT_EQ(answer["content-type"], wanted["content-type"]) << target;
    EXPECT_EQ(answer["location"], wanted["location"]) << target;
    EXPECT_EQ(client.rest(), "") << target;
  }
}

TEST_F(Http, HeadersOfAnswers) {
  const std::regex date{R"(\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)"};
  for (const char* target : {"/", "/nope", "/redirect/a", "/static/base.css", "/static/nope"}) {
    const Answer answer = get(target);
    for (const auto& [name, value] : answer.headers) {
      EXPECT_TRUE(std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; })) << name;
    }
    EXPECT_TRUE(answer["server"].starts_with("parsec/")) << "under --debug: " << answer["server"];
    EXPECT_TRUE(std::regex_match(answer["date"], date)) << answer["date"];
    EXPECT_EQ(answer["content-length"], std::to_string(answer.body.size()));
  }
}

TEST_F(Http, OddButValidHeads) {
  std::string many;
  for (int i = 0; i < 60; ++i) many += "X-" + std::to_string(i) + ": v\r\n";
  for (const std::string& line :
       {std::string{"X-Name: \xE9\xFF"}, many + "X-Last: 1", std::string{"X-Name:value"},
        std::string{"X-Name:"}, std::string{"Upgrade: h2c"}}) {
    EXPECT_EQ(get("/", {line}).status_line, "HTTP/1.1 200 OK") << line;
  }
  const Answer answer = get("/redirect/CoolOrg?a=" + std::string(4000, 'x'));
  EXPECT_EQ(answer.status_line, "HTTP/1.1 302 Found");
  EXPECT_NE(answer["location"].find(std::string(4000, 'x')), std::string::npos);
}

TEST_F(Http, MalformedHeads) {
  using namespace std::string_literals;
  const auto get_with = [](const std::string& line) {
    return "GET / HTTP/1.1\r\nHost: x\r\n" + line + "\r\n\r\n";
  };
  const auto post_with = [](const std::string& lines) {
    return "POST /nope HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n\r\nabcd";
  };
  struct Row {
    const char* name;
    std::string bytes;
  };
  const std::vector<Row> rows{
      {"no HTTP", "hello world\r\n\r\n"},
      {"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03\r\n\r\n"s},
      {"no version", "GET /\r\n\r\n"},
      {"a bad version", "GET / HTTP/x\r\nHost: x\r\n\r\n"},
      {"another protocol", "GET / FTP/1.1\r\nHost: x\r\n\r\n"},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"a target outside ASCII", "GET /\xC3\xA9 HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"s},
      {"a method outside ASCII", "G\xC3\x89T / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"NUL in the method", "G\0T / HTTP/1.1\r\nHost: x\r\n\r\n"s},
      {"no method", " / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"a header without colon", get_with("nocolon")},
      {"a space in a header name", get_with("na me: x")},
      {"no header name", get_with(": x")},
      {"NUL in a header value", get_with("name: a\0b"s)},
      {"no Host", "GET / HTTP/1.1\r\n\r\n"},
      {"Content-Length of letters", post_with("Content-Length: abc")},
      {"a negative Content-Length", post_with("Content-Length: -1")},
      {"two Content-Lengths", post_with("Content-Length: 3\r\nContent-Length: 4")},
  };
  for_each_row(rows, [](const Row& row) {
    HttpClient client{here()};
    client.socket.send(row.bytes);
    const std::string got = client.rest();
    EXPECT_TRUE(got.empty() || got.starts_with("HTTP/1.1 400 ")) << got;
  });
  EXPECT_EQ(get("/").status_line, "HTTP/1.1 200 OK");
}

TEST_F(Http, EndlessHead) {
  HttpClient client{here()};
  client.socket.send("GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(1 << 20, 'x'));
  const std::string got = client.rest();
  EXPECT_TRUE(got.empty() || got.starts_with("HTTP/1.1 4")) << got;
}

TEST_F(Http, KeepsConnectionsAlive) {
  HttpClient client{here()};
  for (const char* target : {"/", "/nope", "/redirect/a", "/static/base.css", "/"}) {
    EXPECT_NE(client.ask(request(target))["connection"], "close") << target;
  }
  client.socket.send(request("/") + request("/nope") + request("/redirect/a"));
  EXPECT_EQ(client.answer().status_line, "HTTP/1.1 200 OK");
  EXPECT_EQ(client.answer().status_line, "HTTP/1.1 404 Not Found");
  EXPECT_EQ(client.answer().status_line, "HTTP/1.1 302 Found");
  client.socket.send(UpgradeRequest{}.text(here()));
  EXPECT_EQ(client.answer(false).status_line.substr(0, 13), "HTTP/1.1 101 ");
}

TEST_F(Http, EndsConnectionsThatWantToEnd) {
  for (const std::string& text :
       {request("/", {"Connection: close"}), request("/", {"Connection: CLOSE"}),
        std::string{"GET / HTTP/1.0\r\nHost: x\r\n\r\n"}, std::string{"GET / HTTP/1.0\r\n\r\n"}}) {
    HttpClient client{here()};
    const Answer answer = client.ask(text);
    EXPECT_EQ(answer.status_line, "HTTP/1.1 200 OK") << text;
    EXPECT_EQ(answer["connection"], "close") << text;
    EXPECT_EQ(client.rest(), "") << text;
  }
}

TEST_F(Http, UpgradeThatIsNoWebSocket) {
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  const std::string version = "Sec-WebSocket-Version: 13";
  const std::string upgrade = "Upgrade: websocket";
  const std::string connection = "Connection: Upgrade";
  struct Row {
    const char* name;
    std::string method;
    std::vector<std::string> headers;
  };
  const std::vector<Row> rows{
      {"no key", "GET", {upgrade, connection, version}},
      {"no version", "GET", {upgrade, connection, key}},
      {"version 8", "GET", {upgrade, connection, key, "Sec-WebSocket-Version: 8"}},
      {"no Upgrade", "GET", {connection, version, key}},
      {"another Upgrade", "GET", {"Upgrade: h2c", connection, version, key}},
      {"POST", "POST", {upgrade, connection, version, key}},
  };
  for_each_row(rows, [](const Row& row) {
    HttpClient client{here()};
    client.socket.send(request("/ws", row.headers, row.method));
    const std::string got = client.rest();
    EXPECT_TRUE(got.starts_with("HTTP/1.1 400 ") || got.starts_with("HTTP/1.1 426 ")) << got;
  });
  // Without the token `upgrade` in Connection it is plain HTTP.
  EXPECT_EQ(get("/ws", {upgrade, version, key}).status_line, "HTTP/1.1 404 Not Found");
}

TEST_F(Http, Redirect) {
  struct Row {
    const char* name;
    const char* target;
    const char* link;
    bool has_query;
  };
  const Row rows[]{
      {"path and query", "/foo/bar?a=1&b=2", "/foo/bar?a=1&b=2", true},
      {"no query", "/CoolOrg", "/CoolOrg", false},
      {"no path", "", "", false},
      {"a link of an invitation", "/CoolOrg?action=claim_user&token=0123456789abcdef",
       "/CoolOrg?action=claim_user&token=0123456789abcdef", true},
      {"no_ssl of the request", "/foo?no_ssl=false", "/foo", false},
      {"no_ssl first", "/foo?no_ssl=false&a=1", "/foo?a=1", true},
      {"no_ssl between", "/foo?a=1&no_ssl=false&b=2", "/foo?a=1&b=2", true},
      {"no_ssl several times", "/foo?no_ssl=true&no_ssl=false&a=1&no_ssl=x", "/foo?a=1", true},
      {"nearly no_ssl", "/foo?xno_ssl=1&no_sslx=2&a=no_ssl", "/foo?xno_ssl=1&no_sslx=2&a=no_ssl",
       true},
      {"repeated", "/foo?a=1&a=2&a=1", "/foo?a=1&a=2&a=1", true},
      {"encoded", "/foo%20bar/%C3%A9?a=%C3%A9&b=%2F%3D", "/foo%20bar/%C3%A9?a=%C3%A9&b=%2F%3D",
       true},
      {"encoded line end", "/foo%0d%0aX-Evil:1?a=1", "/foo%0d%0aX-Evil:1?a=1", true},
      {"slash behind", "/foo/", "/foo/", false},
      {"many slashes", "//foo//bar", "//foo//bar", false},
  };
  for_each_row(rows, [](const Row& row) {
    const Answer answer = get(std::string{"/redirect"} + row.target);
    EXPECT_EQ(answer.status_line, "HTTP/1.1 302 Found");
    EXPECT_EQ(answer["location"], parsec_link(row.link, row.has_query));
  });
}

TEST_F(Http, ManyClientsBesideWebSockets) {
  Session session = alice();
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<HttpClient>(here()));
    clients.back()->socket.send(request("/"));
  }
  EXPECT_THAT(session.call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
  for (const auto& client : clients) EXPECT_EQ(client->answer().status_line, "HTTP/1.1 200 OK");
}

}  // namespace
}  // namespace parsec::testing
