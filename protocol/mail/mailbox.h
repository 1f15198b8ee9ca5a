// Mail addresses as they may stand in a header and in an SMTP command: exactly one mailbox,
// whatever the text it was read from holds (RFC 5321 §4.1.2, RFC 5322 §3.4, RFC 6531 §3.3).
//
// An address that passed here has no character that could end the header, the command or the
// address: `a@b>, c@d` is no address. Any thread; pure functions.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace parsec::protocol {

/// `local-part@domain`, the domain in its ASCII form (xn--…). The local part may be of any script
/// (RFC 6531). The error says what is wrong, without the text itself.
std::expected<std::string, std::string> parse_mail_address(std::string_view text);

struct Mailbox {
  std::string label;    // display name, or empty
  std::string address;  // as parse_mail_address() gives it

  /// `address` or `label <address>`, the label perhaps in quotes.
  static std::expected<Mailbox, std::string> parse(std::string_view text);

  std::string_view domain() const;
};

}  // namespace parsec::protocol
