// HTTP/1.1 responses into an output buffer. Header names are written in lower case.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/output_buffer.h"
#include "engine/types.h"

namespace parsec::http {

struct Response {
  int status = 200;
  std::string_view content_type;
  std::string_view body;  // static, or of somebody who outlives the writing
  std::vector<std::pair<std::string_view, std::string>> headers;  // further ones
};

/// What a response depends on beside its content.
struct ResponseOptions {
  DateTime now;
  std::string_view server;  // header `server`
  bool keep_alive = false;
  bool without_body = false;  // to HEAD: the headers of the whole response
};

void write_response(engine::OutputBuffer& out, const Response& response,
                    const ResponseOptions& options);

/// 101 to a valid opening whose Sec-WebSocket-Key this is.
void write_upgrade(engine::OutputBuffer& out, std::string_view websocket_key);

std::string_view reason_phrase(int status);

/// IMF-fixdate (RFC 9110 §5.6.7), e.g. `Sun, 06 Nov 1994 08:49:37 GMT`.
std::string date_text(DateTime time);

}  // namespace parsec::http
