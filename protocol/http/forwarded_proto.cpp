#include "protocol/http/forwarded_proto.h"

namespace parsec::protocol {

std::expected<ForwardedProto, std::string> ForwardedProto::parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == text.npos || colon != text.rfind(':')) {
    return std::unexpected{"Invalid format, should be `<header-name>:<header-value>`"};
  }
  const auto name = text.substr(0, colon);
  const auto value = text.substr(colon + 1);
  if (!http::is_token(name)) {
    return std::unexpected{"what is before the `:` is no name of an HTTP header"};
  }
  if (value.empty()) return std::unexpected{"the value behind the `:` is empty"};
  if (!http::is_field_value(value)) {  // no request could ever be served
    return std::unexpected{
        "the value behind the `:` has white space around it or a control character in it, which no "
        "header's value has"};
  }
  return ForwardedProto{std::string{name}, std::string{value}};
}

bool ForwardedProto::came_over_http(const http::Request& request) const {
  return request.header_count(header) > request.header_count(header, value);
}

}  // namespace parsec::protocol
