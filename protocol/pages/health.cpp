#include "protocol/pages/health.h"

namespace parsec::protocol {

std::optional<HealthPage> health_page(std::string_view path) {
  if (path == "/health" || path == "/health/live") return HealthPage::live;
  if (path == "/ready" || path == "/health/ready") return HealthPage::ready;
  return std::nullopt;
}

int answer_health(const Health& health, HealthPage page, engine::OutputBuffer& out,
                  const http::Request& request, std::string_view server, DateTime now) {
  const bool is_head = request.method == "HEAD";
  http::Response response{405, "text/plain;charset=utf-8", http::reason_phrase(405), {}};
  HealthAnswer answer;
  if (is_head || request.method == "GET") {
    answer = page == HealthPage::live ? health.live() : health.ready();
    response = {answer.is_good ? 200 : 503, "application/json", answer.body, {}};
    response.headers = {{"cache-control", "no-store"}};
  } else {
    response.headers = {{"allow", "GET, HEAD"}};
  }
  http::write_response(
      out, response,
      {.now = now, .server = server, .keep_alive = request.keep_alive, .without_body = is_head});
  return response.status;
}

}  // namespace parsec::protocol
