// parsec:// addresses (app/server.md §3): where a server is, and the links that name an
// organization.
//
// Any thread; plain values.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace parsec::protocol {

/// `parsec://<host>[:port][?no_ssl=true]`
struct BackendAddress {
  std::string host;  // an IPv6 address keeps its brackets, as in the URL
  std::uint16_t port = 443;
  bool tls = true;

  /// The error is a text for the administrator: what is wrong with the address.
  static std::expected<BackendAddress, std::string> parse(std::string_view text);

  /// Where the same host speaks https: `https://<host>[:port]`. The port of an address without TLS
  /// speaks plain HTTP, so it is not that one.
  std::string https_origin() const;
  /// Whether a Host header (RFC 9110 §7.2) names this host, at whatever port.
  bool is_named_by(std::string_view host_header) const;
  /// `<host>[:port]`, the port only where it is not the scheme's own (443, without TLS 80).
  std::string authority() const;
  /// The address itself.
  std::string text() const;
  /// `parsec://<host>/<organization>?action=<action>&token=<token>[&no_ssl=true]`
  std::string link(std::string_view organization_id, std::string_view action,
                   std::string_view token) const;
  std::string bootstrap_link(std::string_view organization_id, std::string_view token) const {
    return link(organization_id, "bootstrap_organization", token);
  }
  /// `http(s)://<host>/redirect/<organization>?action=<action>&token=<token>`: leads to the
  /// parsec:// link of that action, for programs that make only http links clickable.
  std::string redirect_link(std::string_view organization_id, std::string_view action,
                            std::string_view token) const;
};

}  // namespace parsec::protocol
