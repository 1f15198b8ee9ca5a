#include "app/command_line/value_parsing.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace parsec::app {
namespace {

std::string lower(std::string_view text) {
  std::string result{text};
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

/// Takes `count` digits from the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  const auto number = parse_number(text.substr(0, count));
  text.remove_prefix(count);
  if (!number) return std::nullopt;
  return static_cast<int>(*number);
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

/// HH:MM[:SS[.ffffff]]
std::optional<std::chrono::microseconds> take_time(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  std::chrono::microseconds time = std::chrono::hours{*hour} + std::chrono::minutes{*minute};
  if (!take(text, ':')) return time;
  const auto second = take_digits(text, 2);
  if (!second || *second > 59) return std::nullopt;
  time += std::chrono::seconds{*second};
  if (!take(text, '.')) return time;
  std::int64_t unit = 1'000'000;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
    unit /= 10;
    time += std::chrono::microseconds{(text.front() - '0') * unit};
    text.remove_prefix(1);
  }
  if (digits == 0 || digits > 6) return std::nullopt;
  return time;
}

/// Nothing (UTC), Z, or ±HH[:]MM
std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (text.empty() || take(text, 'Z')) return std::chrono::minutes{0};
  const bool east = take(text, '+');
  if (!east && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23) return std::nullopt;
  take(text, ':');
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  return east ? offset : -offset;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t lowest,
                                          std::uint64_t highest) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped != end || number < lowest || number > highest) {
    return std::nullopt;
  }
  return number;
}

std::optional<bool> parse_boolean(std::string_view text) {
  constexpr std::array<std::string_view, 6> yes{"1", "true", "t", "yes", "y", "on"};
  constexpr std::array<std::string_view, 6> no{"0", "false", "f", "no", "n", "off"};
  const std::string word = lower(text);
  if (std::ranges::find(yes, word) != yes.end()) return true;
  if (std::ranges::find(no, word) != no.end()) return false;
  return std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, digits));
  if (!number) return std::nullopt;
  const std::string unit = lower(text.substr(digits));
  unsigned shift = 0;
  if (unit == "k" || unit == "kb" || unit == "kib") {
    shift = 10;
  } else if (unit == "m" || unit == "mb" || unit == "mib") {
    shift = 20;
  } else if (unit == "g" || unit == "gb" || unit == "gib") {
    shift = 30;
  } else if (!unit.empty() && unit != "b") {
    return std::nullopt;
  }
  if (*number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return *number << shift;
}

std::optional<std::chrono::milliseconds> parse_seconds(std::string_view text) {
  constexpr std::uint64_t seconds_of_a_day = 86'400;
  const std::size_t point = std::min(text.find('.'), text.size());
  const auto seconds = parse_number(text.substr(0, point), 0, seconds_of_a_day);
  if (!seconds) return std::nullopt;
  std::uint64_t milliseconds = 0;
  if (point < text.size()) {
    std::string decimals{text.substr(point + 1)};
    if (decimals.empty() || decimals.size() > 3) return std::nullopt;
    decimals.resize(3, '0');
    const auto parsed = parse_number(decimals);
    if (!parsed) return std::nullopt;
    milliseconds = *parsed;
  }
  return std::chrono::milliseconds{*seconds * 1000 + milliseconds};
}

std::optional<DateTime> parse_datetime(std::string_view text) {
  const auto date = take_date(text);
  if (!date) return std::nullopt;
  std::chrono::sys_time<std::chrono::microseconds> point{*date};
  if (!text.empty()) {
    if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
    const auto time = take_time(text);
    if (!time) return std::nullopt;
    const auto offset = take_offset(text);
    if (!offset || !text.empty()) return std::nullopt;
    point += *time - *offset;
  }
  const DateTime result{point.time_since_epoch().count()};
  if (result.microseconds < DateTime::min_microseconds ||
      result.microseconds > DateTime::max_microseconds) {
    return std::nullopt;
  }
  return result;
}

bool is_host(std::string_view text) {
  if (text.empty()) return false;
  if (text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    return letter || digit || c == '.' || c == ':' || c == '-' || c == '_';
  });
}

bool is_http_url(std::string_view text) {
  if (!text.starts_with("http://") && !text.starts_with("https://")) return false;
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url{curl_url(), &curl_url_cleanup};
  return url && curl_url_set(url.get(), CURLUPART_URL, std::string{text}.c_str(), 0) == CURLUE_OK;
}

}  // namespace parsec::app
