// HTTP/1.x request heads (RFC 9110, RFC 9112), strictly: whatever is not valid is refused.
//
// No state: the connection collects bytes until head_size() tells that the head is whole, and
// bounds how many there may be. Everything in a Request is a view of the head. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

namespace parsec::http {

/// Size of the request head that `bytes` begin with, the blank line at its end included; 0 if it
/// is not whole. searched: how many of the bytes an earlier call has seen.
std::size_t head_size(std::string_view bytes, std::size_t searched = 0);

struct Request {
  std::string_view method;
  std::string_view path;   // as it came, never decoded; `*` or an authority where there is none
  std::string_view query;  // without its `?`
  bool is_http_1_1 = false;
  /// Bytes that follow the head and are not of the next request.
  std::uint64_t content_length = 0;
  /// A body follows whose end is not told in the head (chunked): the connection ends with the
  /// answer.
  bool has_unknown_length = false;
  /// The client does not mind another request on this connection, and neither do we.
  bool keep_alive = false;
  std::string_view fields;  // the header lines

  /// Value of the first header of that name (any case), without white space around it.
  std::optional<std::string_view> header(std::string_view name) const;
  std::size_t header_count(std::string_view name) const;
  /// Of those, the ones with exactly that value.
  std::size_t header_count(std::string_view name, std::string_view value) const;
  /// Is `token` (any case) in the comma-separated list that the headers of that name make up?
  bool header_lists(std::string_view name, std::string_view token) const;
};

/// RFC 9110 §5.6.2: what methods and names of headers are.
bool is_token(std::string_view text);
/// RFC 9110 §5.5: what Request::header() may return.
bool is_field_value(std::string_view text);

/// Reads a whole head. Otherwise the status to refuse it with, after which nothing more can be
/// read from the connection: 400.
std::expected<Request, int> parse_request(std::string_view head);

/// A kept connection skips bodies up to this size; a longer one ends it.
inline constexpr std::uint64_t max_skipped_body_bytes = 1024 * 1024;

enum class Upgrade : std::uint8_t {
  none,           // plain HTTP
  websocket,      // a valid opening (RFC 6455 §4.2.1)
  invalid,        // wants a WebSocket, but is no valid opening: 400
  wrong_version,  // … because its version is not 13: 426
};
/// protocol/1-transport.md §1.1.
Upgrade upgrade_of(const Request& request);

}  // namespace parsec::http
