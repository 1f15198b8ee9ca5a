#include "protocol/types/address.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>

namespace parsec::protocol {
namespace {

constexpr std::string_view scheme = "parsec://";

std::uint16_t default_port(bool tls) { return tls ? 443 : 80; }

std::unexpected<std::string> refused(std::string_view why) {
  return std::unexpected{std::string{why}};
}

/// RFC 3986 §3.2.2: a registered name or IPv4 address, or an IPv6 address in brackets.
bool is_host(std::string_view host) {
  if (host.empty()) return false;
  const bool bracketed = host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  return !host.empty() && std::ranges::all_of(host, [&](unsigned char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    return letter || digit || c == '.' || (bracketed ? c == ':' : c == '-' || c == '_');
  });
}

/// An organization ID may hold any letter of any script; RFC 3986 §2.1 has octets escaped.
std::string escaped(std::string_view organization_id) {
  std::string text;
  for (const char c : organization_id) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      constexpr std::string_view digits = "0123456789ABCDEF";
      text += '%';
      text += digits[byte >> 4];
      text += digits[byte & 15];
    }
  }
  return text;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || stopped != end || port == 0) return std::nullopt;
  return port;
}

}  // namespace

std::expected<BackendAddress, std::string> BackendAddress::parse(std::string_view text) {
  if (!text.starts_with(scheme)) return refused("must start with `parsec://`");
  text.remove_prefix(scheme.size());
  BackendAddress address;

  const std::size_t mark = text.find('?');
  if (mark != std::string_view::npos) {
    const std::string_view query = text.substr(mark + 1);
    text = text.substr(0, mark);
    if (query == "no_ssl=true") {
      address.tls = false;
    } else if (query.starts_with("no_ssl=") && query != "no_ssl=false") {
      return refused("`no_ssl` must be `true` or `false`");
    } else if (!query.empty() && query != "no_ssl=false") {
      return refused("only `no_ssl` may follow the `?`");
    }
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  if (text.contains('/')) return refused("must not hold a path");

  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && !text.ends_with(']');
  const std::string_view host = has_port ? text.substr(0, colon) : text;
  if (!is_host(host)) return refused("needs a valid host");
  address.host = host;
  address.port = default_port(address.tls);
  if (has_port) {
    const auto port = parse_port(text.substr(colon + 1));
    if (!port) return refused("the port must be a number from 1 to 65535");
    address.port = *port;
  }
  return address;
}

std::string BackendAddress::authority() const {
  if (port == default_port(tls)) return host;
  return host + ":" + std::to_string(port);
}

bool BackendAddress::is_named_by(std::string_view host_header) const {
  const auto same = [](char a, char b) {
    const auto lower = [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(a) == lower(b);
  };
  if (host_header.size() < host.size() ||
      !std::ranges::equal(host_header.substr(0, host.size()), host, same)) {
    return false;
  }
  const auto rest = host_header.substr(host.size());
  return rest.empty() || (rest.starts_with(':') &&
                          rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
}

std::string BackendAddress::https_origin() const { return "https://" + (tls ? authority() : host); }

std::string BackendAddress::text() const {
  return std::string{scheme} + authority() + (tls ? "" : "?no_ssl=true");
}

std::string BackendAddress::link(std::string_view organization_id, std::string_view action,
                                 std::string_view token) const {
  std::string link{scheme};
  link += authority();
  link += '/';
  link += escaped(organization_id);
  link += "?action=";
  link += action;
  link += "&token=";
  link += token;
  if (!tls) link += "&no_ssl=true";
  return link;
}

std::string BackendAddress::redirect_link(std::string_view organization_id, std::string_view action,
                                          std::string_view token) const {
  std::string link{tls ? "https://" : "http://"};
  link += authority();
  link += "/redirect/";
  link += escaped(organization_id);
  link += "?action=";
  link += action;
  link += "&token=";
  link += token;
  return link;
}

}  // namespace parsec::protocol
