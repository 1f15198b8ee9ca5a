// The HTTP part of a connection: pages, and the way to a WebSocket (protocol/1-transport.md §1.1).
#include <algorithm>
#include <utility>

#include "engine/host/log.h"
#include "protocol/bytes/random.h"
#include "protocol/http/http_request.h"
#include "protocol/http/http_response.h"
#include "protocol/pages/health.h"
#include "protocol/pages/pages.h"
#include "protocol/session/handshake.h"
#include "protocol/session/service.h"
#include "protocol/session/session.h"

namespace parsec::protocol {

namespace {

constexpr std::byte tls_handshake_record{22};  // RFC 8446 §5.1

Route route_of(std::string_view path) {
  if (path == "/") return Route::front;
  if (path.starts_with("/static/")) return Route::static_file;
  if (path == "/redirect" || path.starts_with("/redirect/")) return Route::redirect;
  return Route::other;
}

}  // namespace

void Session::read_http(std::span<std::byte>& input) {
  if (opening_->body_to_skip > 0) {
    const auto skipped = std::min<std::uint64_t>(opening_->body_to_skip, input.size());
    opening_->body_to_skip -= skipped;
    input = input.subspan(skipped);
    return;
  }
  auto& kept = opening_->head;
  if (kept.empty() && input.front() == tls_handshake_record) {
    // Whoever speaks TLS to a plain port waits for an answer that never comes.
    log::info("Connection dropped: TLS, where it is not spoken",
              "connection {}: TLS, where it is not spoken", conn_id());
    end_reason_ = EndReason::protocol_error;
    service_.transport().close(connection_, engine::CloseMode::after_flush);
    phase_ = Phase::closing;
    return;
  }
  if (kept.empty()) {  // the usual case: a whole head in one piece, read where it is
    const auto size = http::head_size(as_text(input));
    if (size != 0) {
      const auto head = input.first(size);
      input = input.subspan(size);
      return answer_http(head);
    }
  }
  const auto searched = kept.size();
  kept.insert(kept.end(), input.begin(), input.end());
  const auto size = http::head_size(as_text(kept), searched);
  if (size == 0) {
    input = {};
    if (kept.size() > service_.settings().max_head_bytes) refuse_http(431);
    return;
  }
  input = input.subspan(size - searched);  // what follows the head is still the caller's
  auto head = std::exchange(kept, {});
  head.resize(size);
  answer_http(head);
}

void Session::answer_http(std::span<std::byte> head) {
  if (head.size() > service_.settings().max_head_bytes) return refuse_http(431);
  auto request = http::parse_request(as_text(head));
  if (!request) return refuse_http(request.error());
  // Pages are far longer than what asks for them: who asks on and does not read is left.
  if (service_.transport().pending_output(connection_) > high_water()) {
    request->keep_alive = false;
  }
  if (const auto page = health_page(request->path); page && service_.settings().health != nullptr) {
    const Route route = *page == HealthPage::live ? Route::health : Route::ready;
    const int status = answer_health(*service_.settings().health, *page, output(), *request,
                                     service_.settings().server_name, now());
    service_.counts().http(route, status);
    return await_next_request(*request);
  }
  const auto upgrade = http::upgrade_of(*request);
  const auto& forwarded_proto = service_.settings().forwarded_proto;
  if (forwarded_proto && upgrade == http::Upgrade::none &&
      forwarded_proto->came_over_http(*request)) {
    service_.pages().redirect_to_https(output(), *request, now());
    service_.counts().http(route_of(request->path), 301);
    return await_next_request(*request);
  }
  switch (upgrade) {
    case http::Upgrade::websocket:
      return start_websocket(*request->header("sec-websocket-key"));
    case http::Upgrade::invalid:
      return refuse_http(400);
    case http::Upgrade::wrong_version:
      return refuse_http(426);
    case http::Upgrade::none:
      break;
  }
  const int status = service_.pages().answer(output(), *request, now());
  service_.counts().http(route_of(request->path), status);
  await_next_request(*request);
}

void Session::await_next_request(const http::Request& answered) {
  if (!answered.keep_alive) {
    service_.transport().close(connection_, engine::CloseMode::after_flush);
    phase_ = Phase::closing;
    return;
  }
  opening_->body_to_skip = answered.content_length;
  service_.transport().set_deadline(connection_, service_.settings().head_timeout);
}

void Session::refuse_http(int status) {
  log::info("Request head refused", "connection {}: request head refused, {}", conn_id(),
            log::field("status", status));
  service_.pages().refuse(output(), status, now());
  service_.counts().http(Route::other, status);
  end_reason_ = EndReason::protocol_error;
  service_.transport().close(connection_, engine::CloseMode::after_flush);
  phase_ = Phase::closing;
}

void Session::start_websocket(std::string_view key) {
  http::write_upgrade(output(), key);
  fill_random(opening_->challenge);
  write_challenge(output(), opening_->challenge);
  phase_ = Phase::handshake;
  become(ConnectionUse::handshake);
  service_.counts().http(Route::websocket, 101);
  service_.counts().sent_messages.add();
  service_.transport().note_upgrade(connection_);
  service_.transport().set_deadline(connection_, service_.settings().handshake_timeout);
}

}  // namespace parsec::protocol
