#include "protocol/mail/mailbox.h"

#include <unicode/uidna.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "protocol/bytes/utf8.h"

namespace parsec::protocol {
namespace {

constexpr std::size_t most_bytes = 254;            // RFC 5321 §4.5.3.1.3, without the brackets
constexpr std::size_t most_bytes_of_domain = 253;  // RFC 1035 §2.3.4, as text

std::unexpected<std::string> refused(std::string_view why) {
  return std::unexpected{std::string{why}};
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// atext (RFC 5322 §3.2.3, RFC 6532 §3.2) and dots. Their order is not looked at: some providers
/// have `a..b@…`.
bool is_dot_atom(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return !is_ascii(c) || is_letter_or_digit(c) ||
           std::string_view{".!#$%&'*+-/=?^_`{|}~"}.contains(c);
  });
}

/// RFC 5321 §4.1.2: Quoted-string, here of printable characters only.
bool is_quoted_string(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
  text = text.substr(1, text.size() - 2);
  if (std::ranges::any_of(text, [](char c) { return c < ' ' || c > '~'; })) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') return false;
    if (text[at] == '\\' && ++at == text.size()) return false;
  }
  return true;
}

/// RFC 5321 §4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
bool is_address_literal(std::string_view text) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
  return std::ranges::all_of(text.substr(1, text.size() - 2), [](char c) {
    return is_letter_or_digit(c) || c == '.' || c == ':' || c == '-';
  });
}

/// Labels of letters, digits, `-` and `_`, with one dot between them.
bool is_ascii_domain(std::string_view text) {
  if (text.empty() || text.size() > most_bytes_of_domain) return false;
  const bool characters = std::ranges::all_of(
      text, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_'; });
  return characters && text.front() != '.' && text.back() != '.' && !text.contains("..");
}

/// UTS #46, non-transitional: what browsers and mail programs do today.
std::optional<std::string> domain_to_ascii(std::string_view domain) {
  if (std::ranges::all_of(domain, is_ascii)) return std::string{domain};
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UIDNA, decltype(&uidna_close)> idna{
      uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ,
                      &error),
      &uidna_close};
  if (U_FAILURE(error)) return std::nullopt;
  std::array<char, most_bytes_of_domain + 1> ascii{};
  UIDNAInfo info = UIDNA_INFO_INITIALIZER;
  const std::int32_t size =
      uidna_nameToASCII_UTF8(idna.get(), domain.data(), static_cast<std::int32_t>(domain.size()),
                             ascii.data(), static_cast<std::int32_t>(ascii.size()), &info, &error);
  if (U_FAILURE(error) || info.errors != 0) return std::nullopt;
  return std::string{ascii.data(), static_cast<std::size_t>(size)};
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::expected<std::string, std::string> parse_mail_address(std::string_view text) {
  if (text.size() > most_bytes) return refused("longer than 254 bytes");
  if (!is_utf8(text)) return refused("not in UTF-8");
  const std::size_t at = text.rfind('@');
  if (at == text.npos) return refused("no `@` and domain");
  const std::string_view local = text.substr(0, at);
  if (!is_dot_atom(local) && !is_quoted_string(local)) {
    return refused("characters before the `@` that no address holds");
  }
  const auto domain = domain_to_ascii(text.substr(at + 1));
  if (!domain || !(is_ascii_domain(*domain) || is_address_literal(*domain))) {
    return refused("no domain behind the `@`");
  }
  return std::string{local} + "@" + *domain;
}

std::expected<Mailbox, std::string> Mailbox::parse(std::string_view text) {
  text = trimmed(text);
  Mailbox mailbox;
  if (const std::size_t open = text.rfind('<'); text.ends_with('>') && open != text.npos) {
    std::string_view label = trimmed(text.substr(0, open));
    if (label.size() >= 2 && label.starts_with('"') && label.ends_with('"')) {
      label = label.substr(1, label.size() - 2);
    }
    mailbox.label = label;
    text = text.substr(open + 1, text.size() - open - 2);
  }
  auto address = parse_mail_address(text);
  if (!address) return std::unexpected{std::move(address.error())};
  mailbox.address = std::move(*address);
  return mailbox;
}

std::string_view Mailbox::domain() const {
  return std::string_view{address}.substr(address.rfind('@') + 1);
}

}  // namespace parsec::protocol
