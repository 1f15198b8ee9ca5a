#include "engine/outbound/http_url.h"

#include <algorithm>
#include <charconv>

namespace parsec::engine {

namespace {

constexpr auto npos = std::string_view::npos;

constexpr std::string_view misplaced =
    "has an `@`, `/`, `?`, `#` or `:` where it has another meaning (it is not shown). In user and "
    "password they must be percent-encoded, an `@` behind the host too: `@` as %40, `/` as %2F, "
    "`?` "
    "as %3F, `#` as %23, `:` as %3A, `%` as %25";

/// RFC 3986 §3.2.2; names in any script.
bool is_host(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  return !host.empty() && std::ranges::all_of(host, [&](unsigned char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
    const bool digit = c >= '0' && c <= '9';
    return letter || digit || c == '.' || c == '-' || c == '_' || (bracketed && c == ':');
  });
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  return error == std::errc{} && stopped == end && port > 0 && port <= 65535;
}

}  // namespace

std::optional<std::string> complaint_about_url(std::string_view url, UrlUser user) {
  const auto scheme = url.find("://");
  if (scheme == npos) return "is no URL";
  if (std::ranges::any_of(url, [](unsigned char c) { return c <= ' ' || c == 0x7F; })) {
    return "holds white space or a control character, perhaps a newline at its end";
  }
  const auto rest = url.substr(scheme + 3);
  const auto authority = rest.substr(0, rest.find_first_of("/?#"));
  const auto at = rest.find('@');
  if (at != rest.rfind('@') || (at != npos && at > authority.size())) {
    return std::string{misplaced};
  }
  if (at != npos && user == UrlUser::forbidden) {
    return "must hold no user and password: they have options or fields of their own";
  }
  auto host = at == npos ? authority : authority.substr(at + 1);
  const auto colon =
      host.find(':', host.starts_with('[') ? std::min(host.find(']'), host.size()) : 0);
  if (colon != npos) {
    if (!is_port(host.substr(colon + 1))) return std::string{misplaced};
    host = host.substr(0, colon);
  }
  if (host.empty()) return "needs a host";
  if (!is_host(host)) return std::string{misplaced};
  return std::nullopt;
}

}  // namespace parsec::engine
