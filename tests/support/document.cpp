#include "tests/support/document.h"

#include <sodium.h>

#include <algorithm>
#include <ostream>
#include <stdexcept>

#include "engine/output_buffer.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::testing {

// --- Map -----------------------------------------------------------------------------------------

Map::Map() = default;
Map::Map(std::initializer_list<Entry> entries) : entries_(entries) {}
Map::Map(const Map&) = default;
Map::Map(Map&&) noexcept = default;
Map& Map::operator=(const Map&) = default;
Map& Map::operator=(Map&&) noexcept = default;
Map::~Map() = default;

std::size_t Map::size() const { return entries_.size(); }

const Document* Map::find(const Document& key) const {
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  return found == entries_.end() ? nullptr : &found->value;
}

void Map::set(const Document& key, const Document& value) {
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  if (value.is<Omitted>()) {
    if (found != entries_.end()) entries_.erase(found);
  } else if (found != entries_.end()) {
    found->value = value;
  } else {
    entries_.push_back({key, value});
  }
}

void Map::add(Document key, Document value) {
  entries_.push_back({std::move(key), std::move(value)});
}

Map Map::with(const Map& changes) const {
  Map merged = *this;
  for (const Entry& entry : changes.entries_) merged.set(entry.key, entry.value);
  return merged;
}

Map Map::without(std::string_view key) const { return with({{key, omitted}}); }

bool Map::operator==(const Map& other) const {
  return entries_.size() == other.entries_.size() &&
         std::ranges::all_of(entries_, [&](const Entry& entry) {
           const Document* twin = other.find(entry.key);
           return twin != nullptr && *twin == entry.value;
         });
}

// --- Document ------------------------------------------------------------------------------------

bool Document::operator==(const Document& other) const {
  if (is<Anything>() || other.is<Anything>()) return true;
  return value_ == other.value_;
}

const Document& Document::operator[](std::string_view key) const {
  if (const Document* found = map().find(key)) return *found;
  throw std::runtime_error("no field `" + std::string{key} + "` in " + to_text(*this));
}

const Document& Document::operator[](std::size_t index) const {
  if (index < array().size()) return array()[index];
  throw std::runtime_error("no item " + std::to_string(index) + " in " + to_text(*this));
}

void Document::throw_wrong_kind() const {
  throw std::runtime_error("a value of an unexpected kind: " + to_text(*this));
}

// --- Encoding ------------------------------------------------------------------------------------

namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

void write(msgpack::Writer& writer, const Document& document) {
  std::visit(Overloaded{
                 [&](std::nullptr_t) { writer.nil(); },
                 [&](bool value) { writer.boolean(value); },
                 [&](std::int64_t value) { writer.integer(value); },
                 [&](std::uint64_t value) {  // beyond what the server itself ever writes
                   writer.buffer().push(0xCF);
                   for (int shift = 56; shift >= 0; shift -= 8) {
                     writer.buffer().push(static_cast<std::uint8_t>(value >> shift));
                   }
                 },
                 [&](double value) { writer.real(value); },
                 [&](const std::string& value) { writer.str(value); },
                 [&](const Octets& value) { writer.bin(value.view()); },
                 [&](const Uuid& value) { writer.uuid(value); },
                 [&](DateTime value) { writer.datetime(value); },
                 [&](const Ext& value) { writer.ext(value.type, as_bytes(value.bytes)); },
                 [&](const Array& items) {
                   writer.array(static_cast<std::uint32_t>(items.size()));
                   for (const Document& item : items) write(writer, item);
                 },
                 [&](const Map& map) {
                   writer.map(static_cast<std::uint32_t>(map.size()));
                   for (const auto& [key, value] : map.entries()) {
                     write(writer, key);
                     write(writer, value);
                   }
                 },
                 [](Anything) { throw std::logic_error("`anything` cannot be sent"); },
                 [](Omitted) { throw std::logic_error("`omitted` cannot be sent"); },
             },
             document.value());
}

Document read(msgpack::Value value) {
  using msgpack::Kind;
  switch (value.kind()) {
    case Kind::nil:
      return nullptr;
    case Kind::boolean:
      return value.boolean();
    case Kind::integer:
      return value.integer();
    case Kind::real:
      return value.real();
    case Kind::str:
      return value.str();
    case Kind::bin:
      return Octets{value.bin()};
    case Kind::uuid:
      return value.uuid();
    case Kind::datetime:
      return value.datetime();
    case Kind::ext:
      return Ext{value.ext_type(), std::string{as_text(value.ext())}};
    case Kind::array: {
      Array items;
      for (auto walk = value.items(); auto item = walk.next();) items.push_back(read(*item));
      return items;
    }
    case Kind::map: {
      Map map;
      for (auto walk = value.entries(); auto entry = walk.next();) {
        map.add(read(entry->key), read(entry->value));
      }
      return map;
    }
  }
  throw std::logic_error("a kind of value that msgpack does not have");
}

}  // namespace

std::string pack(const Document& document) {
  engine::OutputBuffer buffer;
  msgpack::Writer writer{buffer};
  write(writer, document);
  return std::string{as_text(buffer.bytes())};
}

Document unpack(std::string_view bytes) {
  const auto parsed = msgpack::parse(as_bytes(bytes));
  if (!parsed)
    throw std::runtime_error("not a msgpack document: " + to_text(Octets{as_bytes(bytes)}));
  return read(*parsed);
}

// --- Printing ------------------------------------------------------------------------------------

namespace {

constexpr std::size_t shown_octets = 24;
constexpr std::size_t shown_characters = 200;

std::string hex(std::string_view bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

std::string quoted(const std::string& text) {
  if (text.size() <= shown_characters) return '"' + text + '"';
  return '"' + text.substr(0, shown_characters) + "…\" (" + std::to_string(text.size()) + " bytes)";
}

std::string octets_text(const Octets& octets) {
  const bool printable =
      !octets.bytes.empty() && octets.size() <= shown_octets &&
      std::ranges::all_of(octets.bytes, [](char c) { return c >= ' ' && c <= '~'; });
  if (printable) return "b\"" + octets.bytes + '"';
  const std::string head = hex(std::string_view{octets.bytes}.substr(0, shown_octets));
  if (octets.size() <= shown_octets) return "b<" + head + ">";
  return "b<" + head + "… " + std::to_string(octets.size()) + " octets>";
}

std::string map_text(const Map& map) {
  std::string text = "{";
  for (const auto& [key, value] : map.entries()) {
    if (text.size() > 1) text += ", ";
    text += to_text(key) + ": " + to_text(value);
  }
  return text + "}";
}

}  // namespace

std::string to_text(const Document& document) {
  return std::visit(Overloaded{
                        [](std::nullptr_t) -> std::string { return "null"; },
                        [](bool value) -> std::string { return value ? "true" : "false"; },
                        [](std::int64_t value) { return std::to_string(value); },
                        [](std::uint64_t value) { return std::to_string(value); },
                        [](double value) { return std::to_string(value); },
                        [](const std::string& value) { return quoted(value); },
                        [](const Octets& value) { return octets_text(value); },
                        [](const Uuid& value) { return value.text(); },
                        [](DateTime value) { return value.text(); },
                        [](const Ext& value) {
                          return "ext " + std::to_string(value.type) + " " + hex(value.bytes);
                        },
                        [](const Array& items) {
                          std::string text = "[";
                          for (const Document& item : items) {
                            if (text.size() > 1) text += ", ";
                            text += to_text(item);
                          }
                          return text + "]";
                        },
                        [](const Map& map) { return map_text(map); },
                        [](Anything) -> std::string { return "<anything>"; },
                        [](Omitted) -> std::string { return "<omitted>"; },
                    },
                    document.value());
}

std::ostream& operator<<(std::ostream& out, const Document& document) {
  return out << to_text(document);
}
std::ostream& operator<<(std::ostream& out, const Map& map) { return out << map_text(map); }
std::ostream& operator<<(std::ostream& out, const Octets& octets) {
  return out << octets_text(octets);
}

// --- Values --------------------------------------------------------------------------------------

DateTime now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

Octets random_octets(std::size_t size) {
  Octets octets{size, '\0'};
  randombytes_buf(octets.bytes.data(), size);
  return octets;
}

Uuid new_uuid() { return Uuid::from(random_octets(16).view()); }

std::string random_hex(std::size_t octets) { return hex(random_octets(octets).bytes); }

}  // namespace parsec::testing
