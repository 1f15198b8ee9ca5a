#include "engine/types.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>

namespace parsec {
namespace {

constexpr char digits[] = "0123456789abcdef";

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_hyphen_position(std::size_t index) {
  return index == 8 || index == 13 || index == 18 || index == 23;
}

}  // namespace

std::string Uuid::hex() const {
  std::string result(32, '0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto value = std::to_integer<unsigned>(bytes[i]);
    result[2 * i] = digits[value >> 4];
    result[2 * i + 1] = digits[value & 15];
  }
  return result;
}

std::string Uuid::text() const {
  std::string result = hex();
  for (const std::size_t position : {8U, 13U, 18U, 23U}) result.insert(position, 1, '-');
  return result;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  const bool hyphens = text.size() == 36;
  if (!hyphens && text.size() != 32) return std::nullopt;
  Uuid uuid;
  std::size_t count = 0;  // of digits
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (hyphens && is_hyphen_position(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = digit_value(text[i]);
    if (value < 0) return std::nullopt;
    std::byte& byte = uuid.bytes[count / 2];
    byte = (byte << 4) | static_cast<std::byte>(value);
    ++count;
  }
  return uuid;
}

std::string DateTime::text() const {
  using namespace std::chrono;
  const sys_time<std::chrono::microseconds> point{std::chrono::microseconds{microseconds}};
  const auto day = floor<days>(point);
  const year_month_day date{day};
  const hh_mm_ss time{point - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time.subseconds().count());
}

}  // namespace parsec
