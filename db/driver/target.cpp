#include "db/driver/target.h"

#include <libpq-fe.h>

#include <algorithm>

namespace parsec::db {
namespace {

constexpr std::string_view embedded_prefix = "embedded:";
constexpr std::string_view schemes[] = {"postgresql://", "postgres://"};

/// Without the user's password and without the values of secret query parameters. Works on the
/// text, so that it also holds for a URL that libpq would refuse.
std::string redacted(std::string_view url) {
  const std::size_t start = url.find("://") + 3;
  std::string result{url.substr(0, start)};
  url.remove_prefix(start);
  // A password may hold any character in a URL that forgot to encode it, so the last "@" counts.
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) {
    result += url.substr(0, std::min(url.find_first_of(":/?"), at));
    url.remove_prefix(at);
  }
  const std::size_t question = std::min(url.find('?'), url.size());
  result += url.substr(0, question);
  std::string_view rest = url.substr(question);
  char separator = '?';
  for (rest.remove_prefix(rest.empty() ? 0 : 1); !rest.empty();) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view name = rest.substr(0, std::min(rest.find('='), end));
    // Names may be percent-encoded, so only what is known to be harmless is shown.
    bool harmless = false;
    for (const std::string_view known : {"host", "hostaddr", "port", "dbname", "user", "service",
                                         "sslmode", "target_session_attrs", "application_name"}) {
      harmless = harmless || name == known;
    }
    result += separator;
    result += harmless ? rest.substr(0, end) : name;
    if (!harmless) result += "=***";
    rest.remove_prefix(std::min(end + 1, rest.size()));
    separator = '&';
  }
  return result;
}

/// libpq takes the first `@` and the first `/` for what they stand for in a URL. Where a password
/// holds one of them, its rest becomes a host, a port or a database, which error messages and
/// PostgreSQL's log then name.
bool may_misplace_a_password(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  url = url.substr(0, url.find('?'));
  const std::string_view authority = url.substr(0, url.find('/'));
  if (url.substr(authority.size()).find('@') != std::string_view::npos) return true;
  const std::size_t at = authority.find('@');
  if (at != authority.rfind('@')) return true;
  std::string_view hosts = authority.substr(at == std::string_view::npos ? 0 : at + 1);
  while (!hosts.empty()) {
    const std::size_t end = std::min(hosts.find(','), hosts.size());
    std::string_view host = hosts.substr(0, end);
    hosts.remove_prefix(std::min(end + 1, hosts.size()));
    if (host.starts_with('[')) host.remove_prefix(std::min(host.find(']'), host.size()));
    const std::size_t colon = host.find(':');
    if (colon == std::string_view::npos) continue;
    if (host.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::string Target::description() const {
  switch (kind) {
    case Kind::mocked:
      return "MOCKED";
    case Kind::embedded:
      return std::string{embedded_prefix} + location;
    case Kind::server:
      return redacted(location);
  }
  return {};
}

std::expected<Target, std::string> parse_target(std::string_view text) {
  if (text == "MOCKED") return Target{Target::Kind::mocked, {}};
  if (text.starts_with(embedded_prefix)) {
    text.remove_prefix(embedded_prefix.size());
    if (text.empty()) return std::unexpected("`embedded:` needs a directory: embedded:<directory>");
    return Target{Target::Kind::embedded, std::string{text}};
  }
  for (const std::string_view scheme : schemes) {
    if (!text.starts_with(scheme)) continue;
    Target target{Target::Kind::server, std::string{text}};
    char* message = nullptr;
    PQconninfoOption* options = PQconninfoParse(target.location.c_str(), &message);
    PQconninfoFree(options);
    // libpq's message may quote any part of the URL, so it is not shown.
    PQfreemem(message);
    if (options != nullptr && may_misplace_a_password(text)) {
      // Nothing of it is shown: who knows where the password begins and ends.
      return std::unexpected(
          "Invalid database URL: an `@`, `/` or `:` stands where it has another meaning. In user, "
          "password and database it must be percent-encoded: `@` as %40, `/` as %2F, `:` as %3A, "
          "`?` as %3F, `#` as %23, `%` as %25");
    }
    if (options != nullptr) return target;
    return std::unexpected("Invalid database URL `" + target.description() +
                           "`: PostgreSQL's client library does not understand it (characters "
                           "other than letters and digits in names and passwords must be "
                           "percent-encoded)");
  }
  return std::unexpected(
      "Invalid database, must be `MOCKED`, `embedded:<directory>` or a URL `postgresql://…`");
}

}  // namespace parsec::db
