#include "engine/host/log.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "engine/host/log_record.h"

namespace parsec::log {
namespace {

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::critical:
      return spdlog::level::critical;
  }
  return spdlog::level::critical;
}

/// Each place is a format of its own: its field's type is known here only.
void append_sentence(fmt::appender out, std::string_view sentence,
                     std::span<const Member> members) {
  for (const Member& member : members) {
    const auto begin = std::min(sentence.find('{'), sentence.size());
    if (begin == sentence.size()) break;
    const auto end = sentence.find('}', begin) + 1;
    const std::string_view place = sentence.substr(begin, end - begin);
    fmt::format_to(out, "{}", sentence.substr(0, begin));
    std::visit([&](const auto& value) { fmt::format_to(out, fmt::runtime(place), value); },
               member.value);
    sentence.remove_prefix(end);
  }
  fmt::format_to(out, "{}", sentence);
}

}  // namespace

bool is_on(Level level) { return spdlog::should_log(spdlog_level(level)); }

void write(Level level, std::string_view event, std::string_view sentence,
           std::span<const Member> members) {
  RecordWriter record{event};
  append_sentence(record.sentence(), sentence, members);
  record.end_sentence();
  for (const Member& member : members) {
    std::visit([&](const auto& value) { record.member(member.name, value); }, member.value);
  }
  spdlog::default_logger_raw()->log(spdlog_level(level), record.payload());
}

}  // namespace parsec::log
