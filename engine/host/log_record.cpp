#include "engine/host/log_record.h"

#include <atomic>
#include <cmath>
#include <cstring>

namespace parsec::log {
namespace {

using Size = std::uint32_t;  // of what follows, in front of it

std::atomic<bool> wanted_records{false};

}  // namespace

bool records_wanted() { return wanted_records.load(std::memory_order_relaxed); }
void want_records(bool wanted) { wanted_records.store(wanted, std::memory_order_relaxed); }

RecordWriter::RecordWriter(std::string_view event) {
  if (!is_record_) return;
  append(event);
  append_size(0);  // of the sentence, when it is known
  sentence_at_ = buffer_.size();
}

void RecordWriter::end_sentence() {
  if (!is_record_) return;
  const auto size = static_cast<Size>(buffer_.size() - sentence_at_);
  std::memcpy(buffer_.data() + sentence_at_ - sizeof size, &size, sizeof size);
}

void RecordWriter::member(std::string_view name, std::string_view text) {
  if (is_record_ && !text.empty()) append_member(name, Kind::text, text);
}

void RecordWriter::member(std::string_view name, bool value) {
  if (is_record_) append_member(name, Kind::literal, value ? "true" : "false");
}

void RecordWriter::member(std::string_view name, double value) {
  if (!is_record_) return;
  // RFC 8259 §6 has neither infinity nor NaN.
  const auto text = std::isfinite(value) ? fmt::format("{:.6f}", value) : "null";
  append_member(name, Kind::literal, text);
}

void RecordWriter::member(std::string_view name, ConnectionName value) {
  if (is_record_) append_member(name, Kind::text, fmt::format("{}", value));
}

void RecordWriter::append_member(std::string_view name, Kind kind, std::string_view text) {
  append(name);
  buffer_.push_back(static_cast<char>(kind));
  append(text);
}

void RecordWriter::append(std::string_view text) {
  append_size(text.size());
  buffer_.append(text);
}

void RecordWriter::append_size(std::size_t size) {
  const auto stored = static_cast<Size>(size);
  char bytes[sizeof stored];
  std::memcpy(bytes, &stored, sizeof stored);
  buffer_.append(bytes, bytes + sizeof bytes);
}

std::optional<RecordReader> RecordReader::open(std::string_view payload) {
  RecordReader reader;
  reader.rest_ = payload;
  if (reader.take(reader.event_) && reader.take(reader.sentence_)) return reader;
  return std::nullopt;
}

std::optional<RecordReader::Member> RecordReader::next() {
  Member member{};
  if (!take(member.name) || rest_.empty()) return std::nullopt;
  member.is_text = rest_.front() == static_cast<char>(RecordWriter::Kind::text);
  rest_.remove_prefix(1);
  if (!take(member.value)) return std::nullopt;
  return member;
}

bool RecordReader::take(std::string_view& text) {
  Size size = 0;
  if (rest_.size() < sizeof size) return false;
  std::memcpy(&size, rest_.data(), sizeof size);
  if (rest_.size() - sizeof size < size) return false;
  text = rest_.substr(sizeof size, size);
  rest_.remove_prefix(sizeof size + size);
  return true;
}

}  // namespace parsec::log
