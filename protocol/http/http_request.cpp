#include "protocol/http/http_request.h"

#include <algorithm>
#include <array>
#include <limits>

#include "protocol/bytes/base64.h"

namespace parsec::http {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr int bad_request = 400;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// RFC 9110 §5.6.2 tchar.
bool is_token_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view{"!#$%&'*+-.^_`|~"}.contains(c);
}

/// RFC 9110 §5.5: VCHAR, obs-text, and white space between.
bool is_value_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7F) || c == '\t';
}

/// Visible ASCII. `#` begins a fragment, which no target has.
bool is_target_character(char c) { return c > 0x20 && c < 0x7F && c != '#'; }

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

/// Without optional white space (OWS, RFC 9110 §5.6.3) around it.
std::string_view trim(std::string_view text) {
  constexpr std::string_view white_space = " \t";
  const auto first = text.find_first_not_of(white_space);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

/// Takes what is before the first `separator` off `text`, the separator too; all of it if there
/// is none.
std::string_view take_until(std::string_view& text, std::string_view separator) {
  const auto at = text.find(separator);
  const auto taken = text.substr(0, at);
  text = at == text.npos ? std::string_view{} : text.substr(at + separator.size());
  return taken;
}

struct Field {
  std::string_view name;
  std::string_view value;
};

Field take_field(std::string_view& fields) {
  auto line = take_until(fields, line_end);
  const auto name = take_until(line, ":");
  return {name, trim(line)};
}

/// Also refuses folded lines (obs-fold) and white space before the colon, as RFC 9112 §5 wants.
bool is_field_line(std::string_view line) {
  const auto colon = line.find(':');
  return colon != line.npos && is_token(line.substr(0, colon)) &&
         std::ranges::all_of(line.substr(colon + 1), is_value_character);
}

/// Sets path and query. Forms of RFC 9112 §3.2.
bool parse_target(std::string_view target, Request& request) {
  if (target.empty() || !std::ranges::all_of(target, is_target_character)) return false;
  const auto scheme_end = target.find("://");
  if (!target.starts_with('/') && scheme_end != target.npos) {
    const auto scheme = target.substr(0, scheme_end);
    if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) {
      return false;
    }
    const auto path = target.find_first_of("/?", scheme_end + 3);
    target = path == target.npos ? "/" : target.substr(path);
  }
  request.path = take_until(target, "?");
  request.query = target;
  if (request.path.empty()) request.path = "/";
  return true;
}

bool parse_version(std::string_view version, Request& request) {
  constexpr std::string_view prefix = "HTTP/1.";
  if (version.size() != prefix.size() + 1 || !version.starts_with(prefix)) return false;
  const char minor = version.back();
  if (!is_digit(minor)) return false;
  request.is_http_1_1 = minor != '0';  // a later minor version means what 1.1 does
  return true;
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  std::uint64_t length = 0;
  for (const char c : text) {
    if (__builtin_mul_overflow(length, std::uint64_t{10}, &length) ||
        __builtin_add_overflow(length, static_cast<std::uint64_t>(c - '0'), &length)) {
      return std::nullopt;
    }
  }
  return length;
}

/// How long the body is (RFC 9112 §6.3). 0: fine, otherwise the status of the refusal.
int parse_body(Request& request) {
  const auto lengths = request.header_count("content-length");
  if (request.header_count("transfer-encoding") > 0) {
    // Both together, or in HTTP/1.0, is how requests are smuggled past a proxy (§6.1).
    request.has_unknown_length = true;
    return lengths == 0 && request.is_http_1_1 ? 0 : bad_request;
  }
  if (lengths == 0) return 0;
  const auto length = parse_length(*request.header("content-length"));
  if (lengths > 1 || !length) return bad_request;
  request.content_length = *length;
  return 0;
}

bool is_valid_host(const Request& request) {
  const auto count = request.header_count("host");
  if (count == 0) return !request.is_http_1_1;
  return count == 1 && request.header("host")->find_first_of(" \t,/?#@") == std::string_view::npos;
}

bool is_websocket_key(std::string_view key) {
  if (key.size() != 24) return false;
  const auto nonce = protocol::base64_decode(key);
  return nonce && nonce->size() == 16;
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_character);
}

bool is_field_value(std::string_view text) {
  return trim(text) == text && std::ranges::all_of(text, is_value_character);
}

std::size_t head_size(std::string_view bytes, std::size_t searched) {
  // A client may send an empty line after a body (RFC 9112 §2.2).
  std::size_t begin = 0;
  while (bytes.substr(begin).starts_with(line_end)) begin += line_end.size();
  constexpr std::string_view end = "\r\n\r\n";
  const auto seen = searched < end.size() ? 0 : searched - (end.size() - 1);
  const auto at = bytes.find(end, std::max(begin, seen));
  return at == bytes.npos ? 0 : at + end.size();
}

std::expected<Request, int> parse_request(std::string_view head) {
  while (head.starts_with(line_end)) head.remove_prefix(line_end.size());
  auto request_line = take_until(head, line_end);
  Request request;
  request.method = take_until(request_line, " ");
  const auto target = take_until(request_line, " ");
  if (!is_token(request.method) || !parse_target(target, request) ||
      !parse_version(request_line, request)) {
    return std::unexpected(bad_request);
  }
  request.fields = head.substr(0, head.size() < 2 ? 0 : head.size() - 2);
  for (auto rest = request.fields; !rest.empty();) {
    if (!is_field_line(take_until(rest, line_end))) return std::unexpected(bad_request);
  }
  if (!is_valid_host(request)) return std::unexpected(bad_request);
  if (const int refusal = parse_body(request)) return std::unexpected(refusal);
  // A client that awaits `100 Continue` may send its body or not, now that it gets its answer
  // at once (RFC 9110 §10.1.1): what follows cannot be told apart.
  request.keep_alive = request.is_http_1_1 && !request.header_lists("connection", "close") &&
                       !request.header_lists("expect", "100-continue") &&
                       !request.has_unknown_length &&
                       request.content_length <= max_skipped_body_bytes;
  return request;
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (auto rest = fields; !rest.empty();) {
    const auto field = take_field(rest);
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t Request::header_count(std::string_view name) const {
  std::size_t count = 0;
  for (auto rest = fields; !rest.empty();) {
    if (equals_ignoring_case(take_field(rest).name, name)) ++count;
  }
  return count;
}

std::size_t Request::header_count(std::string_view name, std::string_view value) const {
  std::size_t count = 0;
  for (auto rest = fields; !rest.empty();) {
    const auto field = take_field(rest);
    if (field.value == value && equals_ignoring_case(field.name, name)) ++count;
  }
  return count;
}

bool Request::header_lists(std::string_view name, std::string_view token) const {
  for (auto rest = fields; !rest.empty();) {
    auto field = take_field(rest);
    if (!equals_ignoring_case(field.name, name)) continue;
    while (!field.value.empty()) {
      if (equals_ignoring_case(trim(take_until(field.value, ",")), token)) return true;
    }
  }
  return false;
}

Upgrade upgrade_of(const Request& request) {
  if (!request.header_lists("connection", "upgrade")) return Upgrade::none;
  const auto version = request.header("sec-websocket-version");
  const bool to_websocket = request.header_lists("upgrade", "websocket");
  // An upgrade to another protocol (h2c, say) may be ignored: RFC 9110 §7.8.
  if (!to_websocket && !version && !request.header("sec-websocket-key")) return Upgrade::none;
  if (!to_websocket || request.method != "GET" || !request.is_http_1_1 ||
      request.content_length > 0 || request.has_unknown_length ||
      request.header_count("sec-websocket-key") != 1 ||
      !is_websocket_key(*request.header("sec-websocket-key")) || !version) {
    return Upgrade::invalid;
  }
  return *version == "13" ? Upgrade::websocket : Upgrade::wrong_version;
}

}  // namespace parsec::http
