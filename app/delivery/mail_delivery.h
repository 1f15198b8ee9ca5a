// One invitation mail on its way through an SMTP server (RFC 5321), by libcurl. And the other way,
// for development: into a file.
//
// On a transfer queue's thread. A try that certainly delivered nothing (no connection, a temporary
// refusal) is repeated later. One that broke off after the message was handed over is not: better
// no mail, and a word in the log, than two.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/outbound/transfer_queue.h"
#include "protocol/mail/invitation_mail.h"
#include "protocol/mail/outbox.h"

namespace parsec::app {

struct SmtpServer {
  std::string host;  // an IPv6 address may have brackets
  std::uint16_t port = 25;
  std::string user;  // empty: no login
  std::string password;
  enum class Security : std::uint8_t { plain, starttls, tls } security{};
  std::string hello_name{};                   // is_hello_name(); empty: this machine's own
  std::chrono::milliseconds timeout{60'000};  // of one try
  /// Pauses before the second try, the third, …
  std::vector<std::chrono::milliseconds> pauses = {
      std::chrono::seconds{5}, std::chrono::seconds{30}, std::chrono::minutes{2},
      std::chrono::minutes{10}};
};

/// What the server said last, for the log: its lines up to a bound, control characters made
/// harmless.
class SmtpReply {
 public:
  void add_line(std::string_view line);
  /// Without what must not be logged, should the server quote it.
  std::string text(std::initializer_list<std::string> secrets) const;

 private:
  std::string text_;
  bool complete_ = true;  // the next line begins another reply
};

/// What became of deliveries. Any thread.
struct DeliveryCounts {
  std::atomic<std::uint64_t> delivered = 0;
  std::atomic<std::uint64_t> failed = 0;  // given up, or dropped
};

/// What both have: an invitation that becomes a message when it is its turn.
class InvitationTransfer : public engine::Transfer {
 public:
  /// origin outlives it.
  InvitationTransfer(protocol::InvitationMail invitation, const protocol::MailOrigin& origin)
      : invitation_(std::move(invitation)), origin_(origin) {}
  void dropped(std::string_view why) override { report_failure(why); }
  /// It outlives this.
  void count_in(DeliveryCounts& counts) { counts_ = &counts; }

 protected:
  /// Null: it cannot be written; reported.
  const protocol::MailMessage* message();
  void report_failure(std::string_view why) const;
  void report_waiting(std::string_view why) const;
  void report_success() const;
  std::string token() const { return invitation_.token.hex(); }

 private:
  const protocol::InvitationMail invitation_;
  const protocol::MailOrigin& origin_;
  std::optional<protocol::MailMessage> message_;
  DeliveryCounts* counts_ = nullptr;
};

class MailDelivery final : public InvitationTransfer {
 public:
  /// server, too, outlives it.
  MailDelivery(protocol::InvitationMail invitation, const protocol::MailOrigin& origin,
               const SmtpServer& server)
      : InvitationTransfer(std::move(invitation), origin), server_(server) {}
  ~MailDelivery() override { curl_slist_free_all(recipients_); }
  MailDelivery(const MailDelivery&) = delete;
  MailDelivery& operator=(const MailDelivery&) = delete;

  bool prepare(CURL* handle) override;
  std::optional<std::chrono::milliseconds> ended(CURL* handle, CURLcode result,
                                                 std::string_view error) override;

 private:
  static std::size_t read(char* buffer, std::size_t size, std::size_t count, void* self);
  static int seek(void* self, curl_off_t offset, int origin);
  static std::size_t hear(char* line, std::size_t size, std::size_t count, void* self);
  std::string url() const;
  std::string explain(std::string_view error, long reply) const;
  bool may_be_repeated(CURLcode result, long reply) const;

  const SmtpServer& server_;
  curl_slist* recipients_ = nullptr;
  std::size_t tries_ = 0;
  SmtpReply reply_;
  std::string_view unread_;   // of the message
  bool handed_over_ = false;  // the server asked for the message, in this try
};

/// `MOCKED`: into a file of its own in the temporary directory, and says where on stderr.
class MailFile final : public InvitationTransfer {
 public:
  using InvitationTransfer::InvitationTransfer;

  bool prepare(CURL* handle) override;
  std::optional<std::chrono::milliseconds> ended(CURL*, CURLcode, std::string_view) override {
    return std::nullopt;
  }
};

}  // namespace parsec::app
