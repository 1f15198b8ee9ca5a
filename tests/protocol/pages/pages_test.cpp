#include "protocol/pages/pages.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace parsec::protocol {
namespace {

const BackendAddress plain{"example.com", 9999, false};
const BackendAddress with_tls{"example.com", 443, true};

struct Answer {
  int status = 0;
  std::string head, body;

  std::string header(const std::string& name) const {
    std::smatch found;
    return std::regex_search(head, found, std::regex{"\r\n" + name + ": ([^\r]*)"}) ? found[1].str()
                                                                                    : "";
  }
};

Answer answer_of(const engine::OutputBuffer& out) {
  const std::string bytes{as_text(out.bytes())};
  const auto end = bytes.find("\r\n\r\n");
  return {std::stoi(bytes.substr(9, 3)), bytes.substr(0, end + 2), bytes.substr(end + 4)};
}

Answer ask(const std::string& target, const std::string& method = "GET",
           const std::optional<BackendAddress>& address = plain) {
  const auto text = method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
  const auto request = http::parse_request(text);
  EXPECT_TRUE(request) << text;
  engine::OutputBuffer out;
  Pages{address, "parsec"}.answer(out, *request, {0});
  return answer_of(out);
}

TEST(Pages, FrontPage) {
  for (const auto* target : {"/", "/?utm=x", "http://example.com/"}) {
    const auto answer = ask(target);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("content-type"), "text/html;charset=utf-8");
    EXPECT_EQ(answer.header("content-length"), std::to_string(answer.body.size()));
    EXPECT_NE(answer.body.find("https://docs.parsec.cloud"), std::string::npos);
  }
}

TEST(Pages, AssetsOfTheFrontPageAreThere) {
  const auto page = ask("/").body;
  const std::regex asset{R"re((?:href|src)="(/[^"]*)")re"};
  int count = 0;
  for (std::sregex_iterator found{page.begin(), page.end(), asset}, end; found != end; ++found) {
    const auto answer = ask((*found)[1].str());
    EXPECT_EQ(answer.status, 200) << (*found)[1].str();
    EXPECT_GT(answer.body.size(), 100u);
    ++count;
  }
  EXPECT_EQ(count, 4);
}

TEST(Pages, EverythingElseIsNotFound) {
  for (const auto* target :
       {"/nope", "/ws", "/index.html", "/favicon.ico", "/static", "/static/", "/static/nope.css",
        "/static/nope/base.css", "/static/../base.css", "/static//base.css", "/static/base.css/",
        "/static/base.css%00.png", "/static/%2e%2e/etc/passwd", "/static/..\\..\\etc\\passwd",
        "/staticx", "/redirectx", "/Redirect/x", "*", "/anonymous/CoolOrg"}) {
    for (const auto* method : {"GET", "POST", "DELETE", "get"}) {
      const auto answer = ask(target, method);
      EXPECT_EQ(answer.status, 404) << method << " " << target;
      EXPECT_EQ(answer.header("content-type"), "text/html;charset=utf-8");
    }
  }
}

TEST(Pages, OtherMethodsAreNotAllowed) {
  for (const auto* target : {"/", "/redirect", "/redirect/CoolOrg", "/static/base.css"}) {
    for (const auto* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"}) {
      const auto answer = ask(target, method);
      EXPECT_EQ(answer.status, 405) << method << " " << target;
      EXPECT_EQ(answer.header("allow"), "GET, HEAD");
    }
  }
}

TEST(Pages, HeadIsGetWithoutBody) {
  for (const auto* target : {"/", "/nope", "/redirect/CoolOrg?a=1", "/static/favicon.ico"}) {
    const auto get = ask(target);
    const auto head = ask(target, "HEAD");
    EXPECT_EQ(head.head, get.head) << target;
    EXPECT_EQ(head.body, "");
  }
}

struct RedirectRow {
  std::string target, location;
};

TEST(Redirect, CopiesPathAndQueryButForNoSsl) {
  const RedirectRow rows[] = {
      {"/redirect/foo/bar?a=1&b=2", "/foo/bar?a=1&b=2&"},
      {"/redirect/CoolOrg", "/CoolOrg?"},
      {"/redirect", "?"},
      {"/redirect?a=1", "?a=1&"},
      {"/redirect/?a=1", "/?a=1&"},
      {"/redirect/foo?no_ssl=true", "/foo?"},
      {"/redirect/foo?no_ssl=false&a=1", "/foo?a=1&"},
      {"/redirect/foo?a=1&no_ssl=false&b=2", "/foo?a=1&b=2&"},
      {"/redirect/foo?no_ssl=true&no_ssl=false&a=1&no_ssl=x&no_ssl", "/foo?a=1&"},
      {"/redirect/foo?no%5Fssl=true&%6eo_ss%6C=true&a=1", "/foo?a=1&"},
      {"/redirect/foo?xno_ssl=1&no_sslx=2&a=no_ssl", "/foo?xno_ssl=1&no_sslx=2&a=no_ssl&"},
      {"/redirect/foo?a=&b&&c=%", "/foo?a=&b&c=%&"},
      {"/redirect/foo?a=1&a=2&a=1", "/foo?a=1&a=2&a=1&"},
      {"/redirect/foo%20bar/%C3%A9?a=%C3%A9&b=%2F%3D%26",
       "/foo%20bar/%C3%A9?a=%C3%A9&b=%2F%3D%26&"},
      {"/redirect/foo%0d%0aX-Evil:1?a=1", "/foo%0d%0aX-Evil:1?a=1&"},
      {"/redirect//foo//bar", "//foo//bar?"},
      {"/redirect/foo/", "/foo/?"},
  };
  for (const auto& row : rows) {
    const auto without_tls = ask(row.target);
    EXPECT_EQ(without_tls.status, 302);
    EXPECT_EQ(without_tls.header("location"),
              "parsec://example.com:9999" + row.location + "no_ssl=true");
    auto location = row.location;
    location.pop_back();  // nothing follows: neither the `&` nor, alone, the `?`
    EXPECT_EQ(ask(row.target, "GET", with_tls).header("location"),
              "parsec://example.com" + location);
  }
}

TEST(Redirect, WithoutBackendAddress) { EXPECT_EQ(ask("/redirect/x", "GET", {}).status, 501); }

// --- What did not come over https

Answer redirected(const std::string& line, const std::optional<BackendAddress>& address,
                  const std::string& fields = "Host: evil.example\r\n") {
  const auto text = line + " HTTP/1.1\r\n" + fields + "\r\n";
  const auto request = http::parse_request(text);
  EXPECT_TRUE(request) << text;
  engine::OutputBuffer out;
  Pages{address, "parsec"}.redirect_to_https(out, *request, {0});
  return answer_of(out);
}

TEST(NotOverHttps, IsLedToTheSamePlaceOfTheServersOwnHost) {
  const BackendAddress with_port{"example.com", 8443, true};
  const std::pair<std::string, std::string> rows[] = {
      {"/", "/"},
      {"/redirect/CoolOrg?a=1&b=%2F", "/redirect/CoolOrg?a=1&b=%2F"},
      {"//evil.example/x", "//evil.example/x"},
      {"http://evil.example/x?y", "/x?y"},
      {"*", "/"},
      // These would go on with the host's name.
      {".evil.example", "/"},
      {"@evil.example/", "/"},
      {":1@evil.example", "/"},
  };
  for (const auto& [target, path] : rows) {
    for (const std::string method : {"GET", "HEAD", "POST", "OPTIONS"}) {
      const auto line = method + " " + target;
      const auto answer = redirected(line, with_tls);
      EXPECT_EQ(answer.status, 301) << line;
      EXPECT_EQ(answer.header("location"), "https://example.com" + path) << line;
      EXPECT_EQ(answer.body.empty(), method == "HEAD") << line;
      EXPECT_EQ(redirected(line, with_port).header("location"), "https://example.com:8443" + path);
      // Port 9999 speaks plain HTTP.
      EXPECT_EQ(redirected(line, plain).header("location"), "https://example.com" + path);
    }
  }
}

TEST(NotOverHttps, HostCountsWhereItNamesTheSameHost) {
  const std::pair<std::string, std::string> rows[] = {
      {"example.com", "https://example.com/a"},
      {"EXAMPLE.com:81", "https://EXAMPLE.com:81/a"},
      {"example.com.evil.example", "https://example.com/a"},
      {"example.com:x", "https://example.com/a"},
      {"", "https://example.com/a"},
  };
  for (const auto& [host, location] : rows) {
    EXPECT_EQ(redirected("GET /a", with_tls, "Host: " + host + "\r\n").header("location"),
              location);
  }
  EXPECT_EQ(redirected("GET /a?b", {}, "Host: h:81\r\n").header("location"), "https://h:81/a?b");
}

TEST(Refusal, EndsTheConnection) {
  engine::OutputBuffer out;
  Pages{plain, "parsec"}.refuse(out, 426, {0});
  const auto text = as_text(out.bytes());
  EXPECT_TRUE(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
  EXPECT_TRUE(text.contains("\r\nsec-websocket-version: 13\r\n"));
  EXPECT_TRUE(text.contains("\r\nconnection: close\r\n"));
}

}  // namespace
}  // namespace parsec::protocol
