#include "app/command_line/option_reader.h"

#include <algorithm>
#include <cassert>

#include "app/command_line/value_parsing.h"

namespace parsec::app {

void OptionReader::complain(std::string_view name, std::string_view why) {
  if (error_) return;
  const OptionValues::Given* given = values_.find(name);
  std::string message = "Invalid value for '" + std::string{name} + "'";
  if (given != nullptr && given->source != name) message += " (from " + given->source + ")";
  error_ = UsageError{message + ": " + std::string{why} + "."};
}

std::vector<std::string> OptionReader::texts(std::string_view name) {
  const Option* option = find_option(groups_, name);
  assert(option != nullptr);
  if (const OptionValues::Given* given = values_.find(name)) return given->texts;
  if (option->required && !error_) {
    std::string message = "Missing option '" + std::string{name} + "'";
    if (!option->variable.empty()) {
      message += " (environment variable " + std::string{option->variable} + ")";
    }
    error_ = UsageError{message + "."};
  }
  if (option->fallback.empty()) return {};
  return {std::string{option->fallback}};
}

std::string OptionReader::text(std::string_view name) {
  std::vector<std::string> all = texts(name);
  return all.empty() ? std::string{} : std::move(all.back());
}

std::string OptionReader::non_empty_text(std::string_view name) {
  std::string value = text(name);
  if (given(name) && value.empty()) complain(name, "must not be empty");
  return value;
}

bool OptionReader::boolean(std::string_view name) {
  if (!given(name)) return false;
  const auto value = parse_boolean(text(name));
  if (!value) complain(name, "must be a boolean (1/true/yes/on or 0/false/no/off)");
  return value.value_or(false);
}

std::uint64_t OptionReader::number(std::string_view name, std::uint64_t lowest,
                                   std::uint64_t highest) {
  const auto value = parse_number(text(name), lowest, highest);
  if (!value) {
    complain(name, "must be a whole number from " + std::to_string(lowest) + " to " +
                       std::to_string(highest));
  }
  return value.value_or(lowest);
}

std::uint64_t OptionReader::size(std::string_view name, std::uint64_t lowest,
                                 std::uint64_t highest) {
  const auto value = parse_size(text(name));
  if (!value || *value < lowest || *value > highest) {
    complain(name, "must be a size from " + std::to_string(lowest) + " to " +
                       std::to_string(highest) + " bytes, such as 65536, 64KiB, 16MiB or 1GiB");
    return lowest;
  }
  return *value;
}

std::chrono::milliseconds OptionReader::seconds(std::string_view name) {
  const auto value = parse_seconds(text(name));
  if (!value) complain(name, "must be a number of seconds, at most a day");
  return value.value_or(std::chrono::milliseconds{0});
}

std::string OptionReader::upper(std::string_view text) {
  std::string result{text};
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return result;
}

}  // namespace parsec::app
