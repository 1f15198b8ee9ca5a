// Whether a request came to the proxy in front over plain HTTP: a header says so, which the proxy
// sets on what it forwards.
//
// Any thread; a plain value.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "protocol/http/http_request.h"

namespace parsec::protocol {

struct ForwardedProto {
  std::string header;
  std::string value;

  /// `<header-name>:<header-value>`. The error is a text for the administrator.
  static std::expected<ForwardedProto, std::string> parse(std::string_view text);

  /// Whether a header of that name has another value (compared exactly). Without the header: no, as
  /// in the checks of a proxy.
  bool came_over_http(const http::Request& request) const;
};

}  // namespace parsec::protocol
