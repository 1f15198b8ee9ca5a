#include "engine/outbound/outbound_transfer.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace parsec::engine {

namespace {

constexpr std::size_t largest_head = std::size_t{64} << 10;

/// Idle connections are kept that long (seconds); servers close theirs after 60 to 120.
constexpr long keep_idle = 55;

/// Its head and its body have ends of their own. Else a connection that was cut off looks like the
/// end of the answer, which libcurl takes for granted.
bool is_complete(CURL* easy, const OutboundRequest& request) {
  if (!request.answer_head.ends_with("\n\r\n") && !request.answer_head.ends_with("\n\n")) {
    return false;
  }
  curl_off_t length = -1;
  curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  return request.method != OutboundRequest::Method::get || request.status != 200 || length >= 0 ||
         !request.answer_header("Transfer-Encoding").empty();
}

void check(CURLcode code) { assert(code == CURLE_OK); }

/// S3 wants it in a header; libcurl 7.88 does not add it by itself, and every version takes over
/// what it says.
std::string payload_hash_header(const std::vector<std::byte>& body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const int done = EVP_Digest(body.data(), body.size(), digest, &size, EVP_sha256(), nullptr);
  assert(done == 1);
  static_cast<void>(done);
  std::string header = "x-amz-content-sha256: ";
  for (unsigned i = 0; i < size; ++i) {
    constexpr std::string_view digits = "0123456789abcdef";
    header += {digits[digest[i] >> 4], digits[digest[i] & 15]};
  }
  return header;
}

}  // namespace

void OutboundTransfer::set_up(const OutboundDestinationSettings& settings) {
  request->status = 0;
  request->answer.clear();
  request->answer_head.clear();
  request->failure.clear();
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(request->deadline - Clock::now())
          .count();
  check(curl_easy_setopt(easy, CURLOPT_URL, request->url.c_str()));
  check(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
  check(curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error));
  check(curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, std::max<long>(1, left)));
  check(curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, long{settings.connect_timeout.count()}));
  check(curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, keep_idle));
  check(curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L));
  // A name that does not resolve must not hold up the end of the process.
  check(curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L));
  check(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
  check(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1}));
  check(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body));
  check(curl_easy_setopt(easy, CURLOPT_WRITEDATA, this));
  check(curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_head));
  check(curl_easy_setopt(easy, CURLOPT_HEADERDATA, this));
  // libcurl has the distribution's certificates built in; others have their usual variable.
  if (const char* certificates = std::getenv("SSL_CERT_FILE");
      certificates != nullptr && *certificates != '\0') {
    check(curl_easy_setopt(easy, CURLOPT_CAINFO, certificates));
  }

  if (request->method == OutboundRequest::Method::head) {
    check(curl_easy_setopt(easy, CURLOPT_NOBODY, 1L));
  } else if (request->method == OutboundRequest::Method::put) {
    // Not CURLOPT_UPLOAD: signing covers a body only if libcurl has it as a whole.
    check(curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT"));
    check(curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                           static_cast<curl_off_t>(request->body.size())));
    const void* body = request->body.empty() ? "" : static_cast<const void*>(request->body.data());
    check(curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body));
  }
  for (const auto& header : request->headers) {
    headers = curl_slist_append(headers, header.c_str());
  }
  if (request->signing && request->signing->service == "s3") {
    const auto header = payload_hash_header(request->body);
    headers = curl_slist_append(headers, header.c_str());
  }
  check(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers));
  if (request->signing) {
    const auto& signing = *request->signing;
    const auto scheme = "aws:amz:" + signing.region + ":" + signing.service;
    check(curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, scheme.c_str()));
    check(curl_easy_setopt(easy, CURLOPT_USERNAME, signing.key.c_str()));
    check(curl_easy_setopt(easy, CURLOPT_PASSWORD, signing.secret.c_str()));
  }
}

CURLcode OutboundTransfer::take_down(CURLcode code) {
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &request->status);
  if (code == CURLE_OK && !is_complete(easy, *request)) code = CURLE_PARTIAL_FILE;
  curl_easy_reset(easy);
  curl_slist_free_all(std::exchange(headers, nullptr));
  return code;
}

std::size_t OutboundTransfer::on_body(char* data, std::size_t size, std::size_t count,
                                      void* transfer) {
  auto& request = *static_cast<OutboundTransfer*>(transfer)->request;
  const std::size_t bytes = size * count;
  if (bytes > request.largest_answer - request.answer.size()) return CURL_WRITEFUNC_ERROR;
  const auto* first = reinterpret_cast<const std::byte*>(data);
  request.answer.insert(request.answer.end(), first, first + bytes);
  return bytes;
}

std::size_t OutboundTransfer::on_head(char* data, std::size_t size, std::size_t count,
                                      void* transfer) {
  auto& request = *static_cast<OutboundTransfer*>(transfer)->request;
  const std::string_view line{data, size * count};
  if (line.starts_with("HTTP/")) request.answer_head.clear();  // that was a 1xx before
  if (line.size() > largest_head - request.answer_head.size()) return CURL_WRITEFUNC_ERROR;
  request.answer_head += line;
  return line.size();
}

}  // namespace parsec::engine
