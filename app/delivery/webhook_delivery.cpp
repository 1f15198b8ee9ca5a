#include "app/delivery/webhook_delivery.h"

#include <cstdint>

#include "engine/host/log.h"
#include "protocol/mail/bootstrap_notice.h"

namespace parsec::app {
namespace {

/// Of an answer, which nobody reads: beyond, the connection is closed.
constexpr std::size_t most_answer_bytes = 64 * 1024;

}  // namespace

WebhookDelivery::WebhookDelivery(const protocol::BootstrapNotice& notice, const Webhook& webhook)
    : webhook_(webhook),
      organization_id_(notice.organization_id),
      body_(protocol::webhook_body(notice)) {}

bool WebhookDelivery::prepare(CURL* handle) {
  headers_ = curl_slist_append(nullptr, "Content-Type: application/json; charset=utf-8");
  headers_ = curl_slist_append(headers_, "Expect:");
  curl_easy_setopt(handle, CURLOPT_URL, webhook_.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers_);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "parsec");
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body_.data());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_.size()));
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  // A fresh connection each time: on a kept one, which may have died, curl would send twice.
  curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(webhook_.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &WebhookDelivery::discard);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  return true;
}

std::optional<std::chrono::milliseconds> WebhookDelivery::ended(CURL* handle, CURLcode result,
                                                                std::string_view error) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  const bool answered = result == CURLE_OK || discarded_ > most_answer_bytes;
  if (answered && status == 200) {
    if (counts_ != nullptr) ++counts_->delivered;
    log::info("Webhook told", "the bootstrap webhook was told of {}",
              log::field("organization_id", organization_id_), log::field("status", status));
  } else if (answered) {
    dropped("status " + std::to_string(status));
  } else {
    dropped(error);
  }
  return std::nullopt;
}

void WebhookDelivery::dropped(std::string_view why) {
  if (counts_ != nullptr) ++counts_->failed;
  log::error("Webhook not told", "the bootstrap webhook was not told of {}: {}",
             log::field("organization_id", organization_id_), log::field("reason", why));
}

std::size_t WebhookDelivery::discard(char*, std::size_t size, std::size_t count, void* self) {
  auto& delivery = *static_cast<WebhookDelivery*>(self);
  delivery.discarded_ += size * count;
  return delivery.discarded_ > most_answer_bytes ? 0 : size * count;
}

}  // namespace parsec::app
