#include "bench/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace parsec::bench {

void JsonReader::only(std::span<const std::string_view> known) {
  for (const auto& field : members_) {
    if (std::ranges::find(known, field.key) == known.end()) fail(field.key, "is not known");
  }
}

void JsonReader::text(std::string_view key, std::string& into, Need need) {
  const auto value = find(key, need);
  if (!value) return;
  std::string_view found;
  if (value->get(found) != simdjson::SUCCESS) return fail(key, "must be a text");
  into = found;
}

void JsonReader::truth(std::string_view key, bool& into, Need need) {
  const auto value = find(key, need);
  if (value && value->get(into) != simdjson::SUCCESS) fail(key, "must be true or false");
}

void JsonReader::number(std::string_view key, double& into, Range range, Need need) {
  const auto value = find(key, need);
  if (!value) return;
  double found = 0;
  if (value->get(found) != simdjson::SUCCESS) return fail(key, "must be a number");
  if (range.above ? found <= range.least : found < range.least) {
    return fail(key, fmt::format("must be {} {}", range.above ? "above" : "at least", range.least));
  }
  if (found > range.most) return fail(key, fmt::format("must be at most {}", range.most));
  into = found;
}

std::optional<JsonReader> JsonReader::object(std::string_view key, Need need) {
  const auto value = find(key, need);
  if (!value) return std::nullopt;
  simdjson::dom::object members;
  if (value->get(members) != simdjson::SUCCESS) {
    fail(key, "must be an object");
    return std::nullopt;
  }
  return JsonReader{members, path(key), *failure_};
}

std::vector<simdjson::dom::element> JsonReader::list(std::string_view key, Need need) {
  const auto value = find(key, need);
  if (!value) return {};
  simdjson::dom::array found;
  if (value->get(found) != simdjson::SUCCESS) {
    fail(key, "must be a list");
    return {};
  }
  return {found.begin(), found.end()};
}

std::string JsonReader::path(std::string_view key) const {
  return place_.empty() ? std::string{key} : place_ + "." + std::string{key};
}

std::optional<simdjson::dom::element> JsonReader::find(std::string_view key) const {
  simdjson::dom::element value;
  if (members_.at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::optional<simdjson::dom::element> JsonReader::find(std::string_view key, Need need) {
  if (failed()) return std::nullopt;
  const auto value = find(key);
  if (!value && need == Need::required) fail(key, "is missing");
  return value;
}

std::optional<std::uint64_t> JsonReader::whole_number(std::string_view key, Need need,
                                                      std::uint64_t least, std::uint64_t most) {
  const auto value = find(key, need);
  if (!value) return std::nullopt;
  std::uint64_t found = 0;
  if (value->get(found) != simdjson::SUCCESS || found < least || found > most) {
    fail(key, fmt::format("must be a whole number from {} to {}", least, most));
    return std::nullopt;
  }
  return found;
}

void JsonReader::fail_at(const std::string& place, std::string_view what) {
  if (failure_->empty()) *failure_ = place + ": " + std::string{what};
}

std::expected<std::string, std::string> read_file(const std::string& path) {
  // A directory can be opened; reading it throws from libstdc++'s stream buffer.
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return std::unexpected("cannot read " + path + ": it is a directory");
  }
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) return std::unexpected("cannot read " + path);
  return text;
}

}  // namespace parsec::bench
