#include "bench/report/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace parsec::bench {

namespace {

/// Rounded to three digits that count, or to a whole number above 1,000.
std::string three_digits(double value) {
  if (value == 0) return "0";
  const double magnitude = std::floor(std::log10(std::abs(value)));
  const double unit = std::pow(10.0, magnitude - 2);
  const double rounded = std::round(value / unit) * unit;
  // Rounding may have made it one digit longer: 9.999 is 10.0.
  const double digits = std::floor(std::log10(std::abs(rounded)));
  return fmt::format("{:.{}f}", rounded, std::max(0, 2 - static_cast<int>(digits)));
}

template <std::size_t Count>
std::string scaled(double value, double step, const std::array<std::string_view, Count>& units) {
  std::size_t unit = 0;
  // 999.5 would be written as 1000 of the smaller unit.
  while (unit + 1 < Count && value >= (step == 1000 ? 999.5 : step)) {
    value /= step;
    ++unit;
  }
  return three_digits(value) + " " + std::string{units[unit]};
}

std::string with_commas(std::string digits) {
  const std::size_t sign = digits.starts_with('-') ? 1 : 0;
  std::size_t end = std::min(digits.find('.'), digits.size());
  while (end > sign + 3) {
    end -= 3;
    digits.insert(end, ",");
  }
  return digits;
}

}  // namespace

std::string quantity(double value) { return with_commas(three_digits(value)); }

std::string count(double value) { return with_commas(fmt::format("{:.0f}", value)); }

std::string bytes(double value) {
  constexpr std::array<std::string_view, 6> units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  return scaled(value, 1024, units);
}

std::string duration(double nanoseconds) {
  constexpr std::array<std::string_view, 4> units{"ns", "µs", "ms", "s"};
  return scaled(nanoseconds, 1000, units);
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

std::string written(double value, Unit unit) {
  switch (unit) {
    case Unit::per_second:
      return quantity(value) + "/s";
    case Unit::nanoseconds:
      return duration(value);
    case Unit::bytes:
      return bytes(value);
    case Unit::share:
      return quantity(100 * value) + " %";
    case Unit::plain:
      return quantity(value);
  }
  return quantity(value);
}

}  // namespace parsec::bench
