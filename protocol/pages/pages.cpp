#include "protocol/pages/pages.h"

#include <algorithm>
#include <utility>

#include "protocol/pages/static_files.h"

namespace parsec::protocol {
namespace {

constexpr std::string_view html = "text/html;charset=utf-8";

std::string page(std::string_view content) {
  return R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Parsec</title>
<link rel="icon" href="/static/favicon.ico" sizes="16x16">
<link rel="icon" href="/static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/base.css">
</head>
<body>
<main>
<header><img src="/static/favicon.svg" width="36" height="36" alt=""><strong>PARSEC</strong></header>
)" + std::string{content} +
         "</main>\n</body>\n</html>\n";
}

const std::string front_page = page(R"(<h1>This Parsec server is running</h1>
<p>Parsec shares files that only you and the people you choose can read. Everything is encrypted on
your own machine; this server never sees a key or a file.</p>
<p>You use it through the Parsec application. If you were sent an invitation, get the application
first, then open the link in your mail.</p>
<nav>
<a href="https://parsec.cloud/en/get-parsec">Get the application</a>
<a href="https://docs.parsec.cloud">Read the documentation</a>
</nav>
)");

const std::string not_found_page = page(R"(<h1>Not found</h1>
<p>There is nothing at this address.</p>
<nav><a href="/">Go to the front page</a></nav>
)");

const std::string not_allowed_page = page(R"(<h1>Method not allowed</h1>
<p>This address can only be read.</p>
)");

const std::string no_address_page = page(R"(<h1>No redirection</h1>
<p>This server does not know its own public address, so that it cannot lead to an organization.</p>
)");

const std::string https_page = page(R"(<h1>This page is elsewhere</h1>
<p>This server is reached over https only.</p>
)");

const std::string redirect_page = page(R"(<h1>Opening Parsec…</h1>
<p>If nothing happens, the application is probably not there yet: get it, then open the link
again.</p>
<nav><a href="https://parsec.cloud/en/get-parsec">Get the application</a></nav>
)");

/// What is behind `prefix`, if `path` is that or below it.
std::optional<std::string_view> below(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  if (!path.empty() && path.front() != '/') return std::nullopt;
  return path;
}

int hexadecimal(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Does the name of this parameter read `name` once decoded?
bool is_parameter(std::string_view parameter, std::string_view name) {
  parameter = parameter.substr(0, parameter.find('='));
  std::string decoded;
  for (std::size_t at = 0; at < parameter.size(); ++at) {
    const bool escape = parameter[at] == '%' && at + 2 < parameter.size();
    const int high = escape ? hexadecimal(parameter[at + 1]) : -1;
    const int low = escape ? hexadecimal(parameter[at + 2]) : -1;
    if (high < 0 || low < 0) {
      decoded += parameter[at];
    } else {
      decoded += static_cast<char>(high << 4 | low);
      at += 2;
    }
  }
  return decoded == name;
}

}  // namespace

int Pages::answer(engine::OutputBuffer& out, const http::Request& request, DateTime now) const {
  auto response = respond(request);
  const bool is_head = request.method == "HEAD";
  if (response.status != 404 && request.method != "GET" && !is_head) {
    response = {405, html, not_allowed_page, {{"allow", "GET, HEAD"}}};
  }
  http::write_response(
      out, response,
      {.now = now, .server = server_, .keep_alive = request.keep_alive, .without_body = is_head});
  return response.status;
}

void Pages::redirect_to_https(engine::OutputBuffer& out, const http::Request& request,
                              DateTime now) const {
  const http::Response response{301, html, https_page, {{"location", https_location(request)}}};
  http::write_response(out, response,
                       {.now = now,
                        .server = server_,
                        .keep_alive = request.keep_alive,
                        .without_body = request.method == "HEAD"});
}

/// Never of a foreign host, which Host may name: behind a cache others would be led there, too. A
/// target without a path (`*`, a path that does not begin with `/`) would go on with the host's
/// name.
std::string Pages::https_location(const http::Request& request) const {
  const auto host = request.header("host").value_or("");
  const bool is_ours = !backend_address_ || backend_address_->is_named_by(host);
  std::string location =
      is_ours ? "https://" + std::string{host} : backend_address_->https_origin();
  location += request.path.starts_with('/') ? request.path : "/";
  if (!request.query.empty()) location.append("?").append(request.query);
  return location;
}

void Pages::refuse(engine::OutputBuffer& out, int status, DateTime now) const {
  http::Response response{status, "text/plain;charset=utf-8", http::reason_phrase(status), {}};
  if (status == 426) {
    response.headers = {{"sec-websocket-version", "13"}, {"upgrade", "websocket"}};
  }
  http::write_response(out, response, {.now = now, .server = server_});
}

http::Response Pages::respond(const http::Request& request) const {
  if (request.path == "/") return {200, html, front_page, {}};
  if (const auto path = below(request.path, "/redirect")) return redirect(*path, request.query);
  if (const auto path = below(request.path, "/static"); path && !path->empty()) {
    if (const auto file = find_static_file(path->substr(1))) {
      return {200, file->content_type, file->content, {}};
    }
  }
  return {404, html, not_found_page, {}};
}

/// Path and query are copied as they came: they hold visible ASCII only, so nothing in them can
/// end the header. Only the server's own no_ssl counts, else a link could ask for plain text.
http::Response Pages::redirect(std::string_view path, std::string_view query) const {
  if (!backend_address_) return {501, html, no_address_page, {}};
  std::string parameters;
  const auto add = [&parameters](std::string_view parameter) {
    if (!parameters.empty()) parameters += '&';
    parameters += parameter;
  };
  while (!query.empty()) {
    const auto parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), parameter.size() + 1));
    if (!parameter.empty() && !is_parameter(parameter, "no_ssl")) add(parameter);
  }
  if (!backend_address_->tls) add("no_ssl=true");
  auto location = "parsec://" + backend_address_->authority() + std::string{path};
  if (!parameters.empty()) location += '?' + parameters;
  return {302, html, redirect_page, {{"location", std::move(location)}}};
}

}  // namespace parsec::protocol
