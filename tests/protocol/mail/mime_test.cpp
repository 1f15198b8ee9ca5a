#include "protocol/mail/mime.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/bytes/base64.h"

namespace parsec::mime {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    EXPECT_NE(end, text.npos) << "a line without end: " << text;
    if (end == text.npos) break;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 2);
  }
  return lines;
}

/// Unfolds, and decodes encoded-words (RFC 2047 §6.2), without the name.
std::string value_of(const std::string& header) {
  std::string joined;
  for (const auto& line : lines_of(header)) joined += line;
  std::string value;
  std::string_view rest = std::string_view{joined}.substr(joined.find(": ") + 2);
  while (true) {
    const auto word = rest.find("=?utf-8?b?");
    const auto between = rest.substr(0, word);
    if (value.empty() || between != " ") value += between;
    if (word == rest.npos) return value;
    rest.remove_prefix(word + 10);
    const auto end = rest.find("?=");
    const auto bytes = protocol::base64_decode(rest.substr(0, end));
    EXPECT_TRUE(bytes);
    if (bytes) value += as_text(*bytes);
    rest.remove_prefix(end + 2);
  }
}

void expect_well_formed(const std::string& header) {
  const auto lines = lines_of(header);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_LE(lines[i].size(), 76u) << lines[i];
    EXPECT_EQ(i > 0, lines[i].starts_with(' ')) << "further lines, and only they, are folds";
    EXPECT_TRUE(std::ranges::all_of(lines[i], [](char c) { return c >= ' ' && c <= '~'; }));
    EXPECT_NE(lines[i].find_first_not_of(' '), std::string::npos) << "a line of spaces alone";
  }
}

TEST(OneLine, LeavesWhatCanBeShown) {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""},
      {"Zoé \"日本\" <x> & 'y'", "Zoé \"日本\" <x> & 'y'"},
      {"  two  \t spaces ", "two spaces"},
      {"a\r\nBcc: b", "a Bcc: b"},
      {std::string{"a\0b\tc\x7F", 6}, "a b c"},
      {"a\u0085b\u2028c\u2029d", "a b c d"},
      {"a\u202Eb\u2066c\u2069d", "abcd"},
      {"עברית\u200F", "עברית\u200F"},
      {"a\xFF\xE2\x82", "a\uFFFD\uFFFD\uFFFD"},
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(one_line(text), expected);
}

TEST(TextHeader, PlainTextStaysPlain) {
  EXPECT_EQ(text_header("Subject", "[Parsec] Alice invited you to CoolOrg"),
            "Subject: [Parsec] Alice invited you to CoolOrg\r\n");
  std::string words;
  for (int i = 0; i < 40; ++i) words += "word" + std::to_string(i) + " ";
  words.pop_back();
  const auto header = text_header("Subject", words);
  expect_well_formed(header);
  EXPECT_GT(lines_of(header).size(), 3u);
  EXPECT_EQ(value_of(header), words);
  EXPECT_EQ(header.find("=?"), std::string::npos);
}

TEST(TextHeader, ReadsBackWhateverItHolds) {
  std::string long_label;
  for (int i = 0; i < 60; ++i) long_label += i % 2 == 0 ? "é" : "日";
  const std::string rows[] = {
      "",
      "Zoé",
      "Zoé Ünïcode 日本 invited you",
      long_label,
      std::string(254, 'x'),
      "=?utf-8?q?x?=",
      "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
      "a: b, \"c\" <d@e> (f) \\g",
      "עברית و عربي",
  };
  for (const auto& text : rows) {
    const auto header = text_header("Subject", text);
    if (!text.empty()) expect_well_formed(header);
    EXPECT_EQ(value_of(header), text);
  }
}

TEST(TextHeader, CannotBeLeft) {
  for (const char* text : {"x\r\nBcc: spy@example.com", "x\nBcc: spy@example.com", "x\r\n\r\nbody",
                           "x\rBcc: spy@example.com", "x\u2028Bcc: y"}) {
    const auto header = text_header("Subject", text);
    expect_well_formed(header);
    EXPECT_EQ(header.find("\r\n"), header.size() - 2);
  }
}

TEST(MailboxHeader, QuotesAndEncodes) {
  const std::pair<protocol::Mailbox, std::string> rows[] = {
      {{"", "a@b.c"}, "From: a@b.c\r\n"},
      {{"Alice", "a@b.c"}, "From: \"Alice\" <a@b.c>\r\n"},
      {{"a\"b\\c, <x@y>", "a@b.c"}, "From: \"a\\\"b\\\\c, <x@y>\" <a@b.c>\r\n"},
      {{"Zoé", "a@b.c"}, "From: =?utf-8?b?Wm/DqQ==?= <a@b.c>\r\n"},
      {{"Bad\r\nBcc: x@y", "a@b.c"}, "From: \"Bad Bcc: x@y\" <a@b.c>\r\n"},
  };
  for (const auto& [mailbox, header] : rows) {
    EXPECT_EQ(mailbox_header("From", mailbox), header);
    expect_well_formed(header);
  }
}

TEST(MailboxHeader, FoldsWhatIsLong) {
  for (const auto& label : {std::string(254, 'x'), std::string(120, '\''), std::string(70, '"')}) {
    const auto header = mailbox_header("Reply-To", {label, "someone@example.com"});
    expect_well_formed(header);
    EXPECT_EQ(value_of(header), label + " <someone@example.com>");
  }
  std::string words = "One";
  for (int i = 0; i < 20; ++i) words += " more name";
  const auto folded = mailbox_header("Reply-To", {words, "someone@example.com"});
  expect_well_formed(folded);
  EXPECT_EQ(value_of(folded), "\"" + words + "\" <someone@example.com>");
  const auto header =
      mailbox_header("Reply-To", {"Somebody With A Name", std::string(60, 'a') + "@example.com"});
  expect_well_formed(header);
}

TEST(DateHeader, IsInUtc) {
  EXPECT_EQ(date_header("Date", {784'111'777'000'000}),
            "Date: Sun, 06 Nov 1994 08:49:37 +0000\r\n");
}

std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  for (const auto& line : lines_of(text)) {
    EXPECT_LE(line.size(), 76u) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
    bool soft = false;
    for (std::size_t at = 0; at < line.size(); ++at) {
      EXPECT_TRUE(line[at] >= ' ' && line[at] <= '~');
      if (line[at] != '=') {
        out += line[at];
      } else if (at + 1 == line.size()) {
        soft = true;
      } else {
        out += static_cast<char>(std::stoi(line.substr(at + 1, 2), nullptr, 16));
        at += 2;
      }
    }
    if (!soft) out += '\n';
  }
  return out;
}

TEST(QuotedPrintable, ReadsBackWhateverItHolds) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::vector<std::string> rows{"",         "\n",      "plain\n",      "a=b\n", "trailing \n",
                                " \n",      "é\n",     "a\n\nb\n",     ".\n",   "From me\n",
                                all + "\n", "tab\t\n", "line\r\nend\n"};
  for (std::size_t size = 70; size < 80; ++size) {
    rows.push_back(std::string(size, 'x') + "\n");
    rows.push_back(std::string(size, 'x') + "=\n");
    rows.push_back(std::string(size, 'x') + "é\n");
    rows.push_back(std::string(size, ' ') + "\n");
    rows.push_back(std::string(size, ' ') + "x\n");
  }
  for (const auto& text : rows) EXPECT_EQ(decode_quoted_printable(quoted_printable(text)), text);
}

}  // namespace
}  // namespace parsec::mime
