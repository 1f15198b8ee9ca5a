// From what an administrator writes to values: numbers, booleans, sizes, times, dates.
//
// Pure functions; nullopt when the text is none of that kind.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "engine/types.h"

namespace parsec::app {

/// Decimal, without sign, nothing around it.
std::optional<std::uint64_t> parse_number(
    std::string_view text, std::uint64_t lowest = 0,
    std::uint64_t highest = std::numeric_limits<std::uint64_t>::max());

/// 1/true/t/yes/y/on and 0/false/f/no/n/off, in any case.
std::optional<bool> parse_boolean(std::string_view text);

/// Bytes, or with a unit: 512, 64KiB, 16MiB, 1GiB (any case, `B` and `iB` may be left out).
std::optional<std::uint64_t> parse_size(std::string_view text);

/// Seconds with at most three decimals: 10, 0.5. At most a day.
std::optional<std::chrono::milliseconds> parse_seconds(std::string_view text);

/// ISO 8601: a date, or date and time with `Z`, an offset (+02:00), or UTC understood.
std::optional<DateTime> parse_datetime(std::string_view text);

/// A host's name or address, an IPv6 address with or without brackets.
bool is_host(std::string_view text);

/// An absolute URL of http or https, with a host.
bool is_http_url(std::string_view text);

}  // namespace parsec::app
