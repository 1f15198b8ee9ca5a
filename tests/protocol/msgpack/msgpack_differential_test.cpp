// Our codec against msgpack-cxx: random documents in both directions, then spoilt ones, where both
// must agree on what is a document, but for what only ours refuses (UTF-8, ext types, depth).
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <msgpack.hpp>

#include <algorithm>
#include <limits>
#include <random>
#include <string>

#include "engine/output_buffer.h"
#include "protocol/bytes/utf8.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"
#include "tests/protocol/hex.h"
#include "tests/protocol/msgpack_text.h"

namespace parsec::msgpack {
namespace {

namespace reference = ::msgpack;
using Random = std::mt19937_64;

std::string reference_text(const reference::object& object) {
  using namespace reference::type;
  switch (object.type) {
    case NIL:
      return "nil";
    case BOOLEAN:
      return object.via.boolean ? "true" : "false";
    case POSITIVE_INTEGER:
      return std::to_string(
          std::min<std::uint64_t>(object.via.u64, std::numeric_limits<std::int64_t>::max()));
    case NEGATIVE_INTEGER:
      return std::to_string(object.via.i64);
    case FLOAT32:
    case FLOAT64:
      return fmt::format("{:a}", object.via.f64);
    case STR:
      return '"' + std::string{object.via.str.ptr, object.via.str.size} + '"';
    case BIN:
      return "bin:" + to_hex(as_bytes({object.via.bin.ptr, object.via.bin.size}));
    case EXT: {
      const auto& ext = object.via.ext;
      const Bytes data = as_bytes({ext.data(), ext.size});
      if (ext.type() == 2) return "uuid:" + to_hex(data);
      return fmt::format("ext({}):{}", ext.type(), to_hex(data));
    }
    case ARRAY: {
      std::string text = "[";
      for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
        text += (i > 0 ? ", " : "") + reference_text(object.via.array.ptr[i]);
      }
      return text + "]";
    }
    case MAP: {
      std::string text = "{";
      for (std::uint32_t i = 0; i < object.via.map.size; ++i) {
        const auto& entry = object.via.map.ptr[i];
        text += (i > 0 ? ", " : "") + reference_text(entry.key) + ": " + reference_text(entry.val);
      }
      return text + "}";
    }
  }
  return "?";
}

/// What only our reader refuses.
bool holds_what_we_refuse(const reference::object& object, int depth = 0) {
  using namespace reference::type;
  switch (object.type) {
    case STR:
      return !protocol::is_utf8({object.via.str.ptr, object.via.str.size});
    case EXT:
      return object.via.ext.type() == 1 ||
             (object.via.ext.type() == 2 && object.via.ext.size != 16);
    case ARRAY:
      if (depth >= 128) return true;
      for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
        if (holds_what_we_refuse(object.via.array.ptr[i], depth + 1)) return true;
      }
      return false;
    case MAP:
      if (depth >= 128) return true;
      for (std::uint32_t i = 0; i < object.via.map.size; ++i) {
        const auto& entry = object.via.map.ptr[i];
        if (holds_what_we_refuse(entry.key, depth + 1)) return true;
        if (holds_what_we_refuse(entry.val, depth + 1)) return true;
      }
      return false;
    default:
      return false;
  }
}

/// The reference's view of exactly one document; null if it is none.
bool reference_reads(const std::string& bytes, reference::object_handle& handle) {
  try {
    std::size_t offset = 0;
    const Limits ours;
    reference::unpack(handle, bytes.data(), bytes.size(), offset, nullptr, nullptr,
                      reference::unpack_limit{ours.array_items, ours.map_entries, ours.str_bytes,
                                              ours.bin_bytes, ours.ext_bytes});
    return offset == bytes.size();
  } catch (const reference::unpack_error&) {
    return false;
  }
}

std::string random_octets(Random& random, bool text) {
  static constexpr std::size_t sizes[] = {0, 1, 3, 31, 32, 255, 256, 300, 65535, 65536};
  const auto largest = random() % 50 == 0 ? std::size(sizes) : std::size(sizes) - 3;
  std::string octets(sizes[random() % largest], 'a');
  for (auto& octet : octets) octet = static_cast<char>(text ? 0x20 + random() % 0x5F : random());
  if (text && octets.size() > 3) octets.replace(0, 3, "\xE6\x97\xA5");
  return octets;
}

/// A document written by both libraries alike.
template <typename Sink>
void write_random(Random& random, Sink& sink, int depth) {
  const auto bits = random() % 64;
  switch (random() % (depth > 4 ? 8 : 10)) {
    case 0:
      return sink.nil();
    case 1:
      return sink.boolean(random() % 2 == 0);
    case 2:
      return sink.integer(static_cast<std::int64_t>(random() >> bits));
    case 3:
      return sink.integer(-static_cast<std::int64_t>(random() >> (bits | 1)));
    case 4:
      return sink.real(static_cast<double>(random() % 1'000'000) + 0.3);
    case 5:
      return sink.str(random_octets(random, true));
    case 6:
      return sink.bin(random_octets(random, false));
    case 7:
      return sink.ext(static_cast<std::int8_t>(3 + random() % 100), random_octets(random, false));
    case 8: {
      const auto count = static_cast<std::uint32_t>(random() % 20);
      sink.array(count);
      for (std::uint32_t i = 0; i < count; ++i) write_random(random, sink, depth + 1);
      return;
    }
    default: {
      const auto count = static_cast<std::uint32_t>(random() % 20);
      sink.map(count);
      for (std::uint32_t i = 0; i < 2 * count; ++i) write_random(random, sink, depth + 1);
    }
  }
}

struct OurSink {
  engine::OutputBuffer buffer;
  Writer writer{buffer};
  void nil() { writer.nil(); }
  void boolean(bool value) { writer.boolean(value); }
  void integer(std::int64_t value) { writer.integer(value); }
  void real(double value) { writer.real(value); }
  void str(const std::string& value) { writer.str(value); }
  void bin(const std::string& value) { writer.bin(as_bytes(value)); }
  void ext(std::int8_t type, const std::string& value) { writer.ext(type, as_bytes(value)); }
  void array(std::uint32_t count) { writer.array(count); }
  void map(std::uint32_t count) { writer.map(count); }
  std::string bytes() const { return std::string{as_text(buffer.bytes())}; }
};

struct ReferenceSink {
  reference::sbuffer buffer;
  reference::packer<reference::sbuffer> packer{buffer};
  static std::uint32_t size_of(const std::string& value) {
    return static_cast<std::uint32_t>(value.size());
  }
  void nil() { packer.pack_nil(); }
  void boolean(bool value) { value ? packer.pack_true() : packer.pack_false(); }
  void integer(std::int64_t value) { packer.pack_int64(value); }
  void real(double value) { packer.pack(value); }
  void str(const std::string& value) {
    packer.pack_str(size_of(value)).pack_str_body(value.data(), size_of(value));
  }
  void bin(const std::string& value) {
    packer.pack_bin(size_of(value)).pack_bin_body(value.data(), size_of(value));
  }
  void ext(std::int8_t type, const std::string& value) {
    packer.pack_ext(value.size(), type).pack_ext_body(value.data(), size_of(value));
  }
  void array(std::uint32_t count) { packer.pack_array(count); }
  void map(std::uint32_t count) { packer.pack_map(count); }
  std::string bytes() const { return {buffer.data(), buffer.size()}; }
};

std::string random_document(std::uint64_t seed) {
  Random random{seed};
  OurSink sink;
  write_random(random, sink, 0);
  return sink.bytes();
}

TEST(MsgpackDifferential, BothWriteTheSameDocument) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random{seed};
    ReferenceSink sink;
    write_random(random, sink, 0);
    ASSERT_EQ(to_hex(as_bytes(random_document(seed))), to_hex(as_bytes(sink.bytes()))) << seed;
  }
}

TEST(MsgpackDifferential, WeReadWhatTheReferenceReads) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto bytes = random_document(seed);
    const auto value = parse(as_bytes(bytes));
    ASSERT_TRUE(value) << seed;
    reference::object_handle handle;
    ASSERT_TRUE(reference_reads(bytes, handle)) << seed;
    ASSERT_EQ(to_text(*value), reference_text(*handle)) << seed;
  }
}

TEST(MsgpackDifferential, WeAgreeOnSpoiltDocuments) {
  Random random{7};
  int accepted = 0;
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    auto bytes = random_document(seed);
    if (bytes.size() > 20'000) continue;
    for (auto spoilt = random() % 3 + 1; spoilt > 0 && !bytes.empty(); --spoilt) {
      const auto at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
          break;
        case 2:
          bytes.erase(at, random() % 4 + 1);
          break;
        default:
          bytes.insert(at, 1, static_cast<char>(random()));
          break;
      }
    }
    const auto value = parse(as_bytes(bytes));
    reference::object_handle handle;
    const bool reference_accepts = reference_reads(bytes, handle);
    if (value) {
      ++accepted;
      ASSERT_TRUE(reference_accepts) << to_hex(as_bytes(bytes));
      if (!holds_what_we_refuse(*handle)) {
        ASSERT_EQ(to_text(*value), reference_text(*handle));
      }
    } else {
      ++refused;
      ASSERT_TRUE(!reference_accepts || holds_what_we_refuse(*handle)) << to_hex(as_bytes(bytes));
    }
  }
  // The mutations are worth something only if both happen.
  EXPECT_GT(accepted, 200);
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace parsec::msgpack
