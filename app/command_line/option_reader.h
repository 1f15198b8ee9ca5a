// Gives the texts of OptionValues their types, one option after the other, and keeps the first
// complaint. So a reader of many options is a plain list, without a test after each line.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/command_line/configuration.h"
#include "app/command_line/options.h"

namespace parsec::app {

class OptionReader {
 public:
  OptionReader(const OptionValues& values, std::span<const OptionGroup> groups)
      : values_(values), groups_(groups) {}

  /// What was given, else the default, else empty. Complains if the option is required.
  std::string text(std::string_view name);
  std::vector<std::string> texts(std::string_view name);
  /// Complains about an empty text, too.
  std::string non_empty_text(std::string_view name);
  bool boolean(std::string_view name);
  std::uint64_t number(std::string_view name, std::uint64_t lowest, std::uint64_t highest);
  std::uint32_t count(std::string_view name, std::uint32_t lowest, std::uint32_t highest) {
    return static_cast<std::uint32_t>(number(name, lowest, highest));
  }
  std::uint16_t port(std::string_view name) {
    return static_cast<std::uint16_t>(number(name, 1, 65535));
  }
  std::uint64_t size(std::string_view name, std::uint64_t lowest, std::uint64_t highest);
  std::chrono::milliseconds seconds(std::string_view name);
  /// The value that belongs to the word, which may be in any case.
  template <typename Value>
  Value choice(std::string_view name, std::span<const std::pair<std::string_view, Value>> choices);

  bool given(std::string_view name) const { return values_.find(name) != nullptr; }

  /// `Invalid value for <option>: <why>.`
  void complain(std::string_view name, std::string_view why);

  /// The first complaint.
  const std::optional<UsageError>& error() const { return error_; }

 private:
  static std::string upper(std::string_view text);

  const OptionValues& values_;
  std::span<const OptionGroup> groups_;
  std::optional<UsageError> error_;
};

template <typename Value>
Value OptionReader::choice(std::string_view name,
                           std::span<const std::pair<std::string_view, Value>> choices) {
  const std::string word = upper(text(name));
  std::string known;
  for (const auto& [text_of_choice, value] : choices) {
    if (word == text_of_choice) return value;
    known += known.empty() ? "" : ", ";
    known += text_of_choice;
  }
  complain(name, "must be one of " + known);
  return Value{};
}

}  // namespace parsec::app
