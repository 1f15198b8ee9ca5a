// The bootstrap webhook (app/server.md §5): one POST, by libcurl. On a transfer queue's thread.
//
// Once, whatever comes of it: a server that breaks off may have heard. Redirections are not
// followed: they would turn the POST into a GET without body, and send elsewhere what was meant
// for one place; a status of 3xx is reported as what it is.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "app/delivery/mail_delivery.h"
#include "engine/outbound/transfer_queue.h"
#include "protocol/mail/outbox.h"

namespace parsec::app {

struct Webhook {
  std::string url;  // may hold secrets: never logged
  std::chrono::milliseconds timeout{30'000};
};

class WebhookDelivery final : public engine::Transfer {
 public:
  /// webhook outlives it.
  WebhookDelivery(const protocol::BootstrapNotice& notice, const Webhook& webhook);
  ~WebhookDelivery() override { curl_slist_free_all(headers_); }
  WebhookDelivery(const WebhookDelivery&) = delete;
  WebhookDelivery& operator=(const WebhookDelivery&) = delete;

  bool prepare(CURL* handle) override;
  std::optional<std::chrono::milliseconds> ended(CURL* handle, CURLcode result,
                                                 std::string_view error) override;
  void dropped(std::string_view why) override;
  /// It outlives this.
  void count_in(DeliveryCounts& counts) { counts_ = &counts; }

 private:
  static std::size_t discard(char* bytes, std::size_t size, std::size_t count, void* self);

  const Webhook& webhook_;
  const std::string organization_id_;
  const std::string body_;
  DeliveryCounts* counts_ = nullptr;
  curl_slist* headers_ = nullptr;
  std::size_t discarded_ = 0;
};

}  // namespace parsec::app
