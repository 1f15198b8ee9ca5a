// Whether a request came to the proxy in front over https: a header says so, which the proxy sets
// on every request (and takes away from whoever sends it himself).
//
// Any thread; a plain value.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "protocol/http_request.h"

namespace parsec::protocol {

struct ForwardedProto {
  std::string header;
  std::string value;

  /// `<header-name>:<header-value>`. The error is a text for the administrator.
  static std::expected<ForwardedProto, std::string> parse(std::string_view text);

  /// Every header of that name has exactly that value, and there is one: where a client's own is
  /// added to, not replaced, it proves nothing.
  bool is_https(const http::Request& request) const;
};

}  // namespace parsec::protocol
