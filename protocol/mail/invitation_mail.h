// The invitation mail (app/server.md §4): from what is known about an invitation to the message as
// SMTP takes it, text and HTML side by side.
//
// Without I/O. Every value is anybody's: it is escaped for each place where it stands (headers in
// mime.h, HTML here), and a recipient that is not exactly one address is refused. Any thread.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "engine/types.h"
#include "protocol/mail/mailbox.h"
#include "protocol/mail/outbox.h"
#include "protocol/types/address.h"

namespace parsec::protocol {

/// A message with its envelope (RFC 5321 §2.3.1). Holds the invitation's token.
struct MailMessage {
  std::string sender;     // address
  std::string recipient;  // address
  std::string content;    // headers and body, lines end with CRLF
};

/// The deployment that mails come from.
struct MailOrigin {
  Mailbox sender;
  BackendAddress backend_address;
};

/// unique_id: makes Message-ID and boundary, letters and digits. The error tells why it cannot be
/// sent.
std::expected<MailMessage, std::string> compose(const InvitationMail& invitation,
                                                const MailOrigin& origin, DateTime now,
                                                std::string_view unique_id);

}  // namespace parsec::protocol
