#include "app/delivery/outbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace parsec::app {
namespace {

/// Few: one recipient's server must not take them for an attack.
constexpr std::size_t parallel_mails = 4;
/// A webhook that uses up its 30 s delays the others the less.
constexpr std::size_t parallel_webhooks = 16;

std::string line(std::string_view name, const engine::TransferQueue& queue) {
  return fmt::format("{}: completed={} dropped={} pending={}\n", name, queue.completed(),
                     queue.dropped(), queue.pending());
}

}  // namespace

DeliveringOutbox::DeliveringOutbox(OutboxOptions options)
    : options_(std::move(options)), mails_({.name = "mails", .parallel = parallel_mails}) {
  if (options_.webhook) {
    webhooks_.emplace(
        engine::TransferQueueOptions{.name = "webhooks", .parallel = parallel_webhooks});
  }
}

void DeliveringOutbox::send_invitation(protocol::InvitationMail mail) {
  std::unique_ptr<InvitationTransfer> transfer;
  if (options_.smtp) {
    transfer = std::make_unique<MailDelivery>(std::move(mail), options_.origin, *options_.smtp);
  } else {
    transfer = std::make_unique<MailFile>(std::move(mail), options_.origin);
  }
  transfer->count_in(mail_counts_);
  mails_.post(std::move(transfer));
}

void DeliveringOutbox::announce_bootstrap(protocol::BootstrapNotice notice) {
  if (!webhooks_) return;
  auto transfer = std::make_unique<WebhookDelivery>(notice, *options_.webhook);
  transfer->count_in(webhook_counts_);
  webhooks_->post(std::move(transfer));
}

void DeliveringOutbox::stop(std::chrono::milliseconds grace) {
  const auto start = std::chrono::steady_clock::now();
  mails_.stop(grace);
  if (!webhooks_) return;
  const auto used = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  webhooks_->stop(std::max(grace - used, std::chrono::milliseconds{0}));
}

std::string DeliveringOutbox::dump() const {
  return line("mails", mails_) + (webhooks_ ? line("webhooks", *webhooks_) : "");
}

}  // namespace parsec::app
