// The server's outbox: invitation mails through SMTP (or into files), the bootstrap webhook through
// HTTP, each on a transfer queue of its own.
//
// The shards hand over and go on; composing, writing and sending happen on the queues' threads.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "app/delivery/mail_delivery.h"
#include "app/delivery/webhook_delivery.h"
#include "engine/outbound/transfer_queue.h"
#include "protocol/mail/invitation_mail.h"
#include "protocol/mail/outbox.h"

namespace parsec::app {

struct OutboxOptions {
  protocol::MailOrigin origin;
  std::optional<SmtpServer> smtp;  // none: mails into files
  std::optional<Webhook> webhook;
};

class DeliveringOutbox final : public protocol::Outbox {
 public:
  explicit DeliveringOutbox(OutboxOptions options);

  void send_invitation(protocol::InvitationMail mail) override;
  void announce_bootstrap(protocol::BootstrapNotice notice) override;

  /// Delivers what it can within that time.
  void stop(std::chrono::milliseconds grace);

  const DeliveryCounts& mail_counts() const { return mail_counts_; }
  const DeliveryCounts& webhook_counts() const { return webhook_counts_; }
  /// A line for each kind of delivery.
  std::string dump() const;

 private:
  const OutboxOptions options_;
  DeliveryCounts mail_counts_;
  DeliveryCounts webhook_counts_;
  engine::TransferQueue mails_;
  std::optional<engine::TransferQueue> webhooks_;
};

}  // namespace parsec::app
