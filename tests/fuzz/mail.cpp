// Any texts in an invitation mail and in the webhook's body: whatever people are called, the
// message is lines of seven-bit text with the headers that were meant, and the body is one line of
// ASCII.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/bytes/utf8.h"
#include "protocol/mail/bootstrap_notice.h"
#include "protocol/mail/invitation_mail.h"
#include "protocol/mail/mime.h"
#include "tests/fuzz/support/input.h"

namespace {

using namespace parsec;
using protocol::Mailbox;

/// Of a header or a body: lines that end with CRLF. Only a header with an address may hold UTF-8.
std::size_t check_lines(std::string_view text, bool is_ascii) {
  std::size_t lines = 0;
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    assert(end != text.npos);
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 2);
    ++lines;
    assert(std::ranges::none_of(line, [is_ascii](char c) {
      return (c < ' ' && c >= 0) || c == '\x7F' || (is_ascii && c < 0);
    }));
    assert(!is_ascii || line.size() <= 998);  // RFC 5322 §2.1.1
  }
  return lines;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0; });
}

/// RFC 2045 §6.7.
std::string from_quoted_printable(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "\r\n") {
      out += '\n';
      ++i;
    } else if (text[i] != '=') {
      out += text[i];
    } else {
      if (text.substr(i, 3) != "=\r\n") {
        out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      }
      i += 2;
    }
  }
  return out;
}

void check_pieces(std::string_view text) {
  const auto line = mime::one_line(text);
  assert(protocol::is_utf8(line) && mime::one_line(line) == line);
  const auto header = mime::text_header("Subject", text);
  check_lines(header, true);
  assert(header.starts_with("Subject:"));

  const auto body = mime::quoted_printable(text);
  check_lines(body + (body.ends_with("\r\n") ? "" : "\r\n"), true);
  assert(from_quoted_printable(body) == text);
}

void check_address(std::string_view text) {
  const auto address = protocol::parse_mail_address(text);
  if (!address) {
    assert(!address.error().empty());
    return;
  }
  assert(address->find_first_of("<>,; \r\n") == address->npos || address->starts_with('"'));
  assert(protocol::parse_mail_address(*address) == *address);
}

void check_mailbox(std::string_view text) {
  const auto mailbox = Mailbox::parse(text);
  if (!mailbox) return;
  assert(protocol::parse_mail_address(mailbox->address) == mailbox->address);
  assert(mailbox->address.ends_with(mailbox->domain()));
  const auto header = mime::mailbox_header("From", *mailbox);
  check_lines(header, is_ascii(mailbox->address));
  assert(header.find(mailbox->address) != header.npos);
}

void check_mail(testing::Input& input) {
  protocol::InvitationMail mail;
  mail.kind = input.chance() ? protocol::InvitationMail::Kind::user
                             : protocol::InvitationMail::Kind::device;
  mail.organization_id = input.until('\n');
  mail.recipient = input.until('\n');
  mail.greeter_user_id = input.until('\n');
  if (input.chance()) {
    mail.greeter = protocol::HumanHandle{std::string{input.until('\n')}, std::string{input.rest()}};
  }
  const protocol::MailOrigin origin{{"Parsec", "no-reply@example.com"}, {"example.com", 443, true}};
  const auto message = protocol::compose(mail, origin, {1'600'000'000'000'000}, "0123abcd");
  if (!message) {
    assert(!protocol::parse_mail_address(mail.recipient));
    return;
  }
  const std::string_view content = message->content;
  const auto head = content.substr(0, content.find("\r\n\r\n") + 2);
  check_lines(head, is_ascii(head));
  for (const std::string_view name : {"\r\nTo:", "\r\nSubject:", "\r\nFrom:", "\r\nBcc:"}) {
    const auto found = head.find(name);
    assert((found == head.npos) == (name == "\r\nBcc:"));
    assert(found == head.npos || head.find(name, found + 1) == head.npos);
  }
  check_lines(content.substr(head.size()), true);
  assert(message->sender == "no-reply@example.com");
}

void check_notice(std::string_view text) {
  protocol::BootstrapNotice notice;
  notice.organization_id = text.substr(0, 5);
  notice.device_label = text;
  notice.human_handle = protocol::HumanHandle{std::string{text}, std::string{text}};
  const auto body = protocol::webhook_body(notice);
  assert(std::ranges::all_of(body, [](char c) { return c >= ' ' && c <= '~'; }));
  assert(body.starts_with('{') && body.ends_with('}'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  check_pieces(text);
  check_address(text);
  check_mailbox(text);
  check_notice(text);
  testing::Input input{data, size};
  check_mail(input);
  return 0;
}
