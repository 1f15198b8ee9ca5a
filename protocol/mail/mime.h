// Pieces of a mail: headers and bodies that hold anybody's text and are seven-bit lines of at most
// 76 characters all the same (RFC 5322 §2, RFC 2045 §6.7, RFC 2047).
//
// Any thread; pure functions. Lines end with CRLF.
#pragma once

#include <string>
#include <string_view>

#include "engine/types.h"
#include "protocol/mail/mailbox.h"

namespace parsec::mime {

/// The text on one line, as it may be shown to people: control characters become spaces, several
/// spaces one, none is left at the ends; characters that turn the direction of what follows are
/// left out, what is no UTF-8 becomes U+FFFD.
std::string one_line(std::string_view text);

/// `<name>: <text>`, folded; as encoded-words where plain text cannot say it. The text passes
/// one_line().
std::string text_header(std::string_view name, std::string_view text);

/// `<name>: "label" <address>`, or the address alone. Of ASCII but for a local part in UTF-8, which
/// makes it a header of RFC 6532.
std::string mailbox_header(std::string_view name, const protocol::Mailbox& mailbox);

/// `<name>: Tue, 24 Nov 2026 02:00:00 +0000`
std::string date_header(std::string_view name, DateTime time);

/// Of text whose lines end with "\n".
std::string quoted_printable(std::string_view text);

}  // namespace parsec::mime
