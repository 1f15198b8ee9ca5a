#include "protocol/websocket/websocket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/protocol/hex.h"

namespace parsec::websocket {
namespace {

constexpr std::array<std::byte, 4> test_mask{std::byte{0x37}, std::byte{0xFA}, std::byte{0x21},
                                             std::byte{0x3D}};

/// A client's frame; first: the whole first byte.
std::string client_frame(std::uint8_t first, std::string payload) {
  engine::OutputBuffer out;
  write_masked_frame(out, static_cast<Opcode>(first & 0x0F), as_bytes(payload), test_mask);
  std::string bytes{as_text(out.bytes())};
  bytes[0] = static_cast<char>(first);
  return bytes;
}

/// What a reader makes of a stream that comes in pieces: parts of a frame joined, a violation last.
std::vector<std::string> events(const std::vector<std::string>& pieces, Role role = Role::server) {
  FrameReader reader{role};
  std::vector<std::string> found;
  std::uint64_t size = 0;
  for (std::string piece : pieces) {
    std::span<std::byte> input = std::as_writable_bytes(std::span{piece});
    while (true) {
      const auto part = reader.next(input);
      if (!part) {
        found.emplace_back(name(part.error()));
        return found;
      }
      if (!*part) {
        EXPECT_TRUE(input.empty());
        break;
      }
      const auto& frame = **part;
      if (frame.first) {
        found.push_back((frame.fin ? "fin " : "part ") +
                        std::to_string(static_cast<int>(frame.opcode)) + ":");
        size = 0;
      }
      found.back().append(as_text(frame.payload));
      size += frame.payload.size();
      EXPECT_EQ(frame.last, size == frame.frame_size);
    }
  }
  return found;
}

std::vector<std::string> octet_by_octet(const std::string& stream) {
  std::vector<std::string> pieces;
  for (const char octet : stream) pieces.push_back({octet});
  return pieces;
}

struct Row {
  std::string name;
  std::string stream;
  std::vector<std::string> events;
};

using Strings = std::vector<std::string>;

std::vector<Row> rows() {
  const std::string long_payload(70'000, 'x');
  const std::string middle(126, 'y');
  return {
      // §5.7, the examples that a client may send
      {"masked text", from_hex("81 85 37fa213d 7f9f4d5158"), {"fin 1:Hello"}},
      {"empty binary", client_frame(0x82, ""), {"fin 2:"}},
      {"fragmented",
       client_frame(0x02, "Hel") + client_frame(0x80, "lo"),
       {"part 2:Hel", "fin 0:lo"}},
      {"ping", client_frame(0x89, "Hello"), {"fin 9:Hello"}},
      {"pong", client_frame(0x8A, ""), {"fin 10:"}},
      {"ping inside a fragmented message",
       client_frame(0x01, "a") + client_frame(0x89, "p") + client_frame(0x00, "") +
           client_frame(0x80, "b"),
       {"part 1:a", "fin 9:p", "part 0:", "fin 0:b"}},
      {"16-bit length", client_frame(0x82, middle), {"fin 2:" + middle}},
      {"16-bit length, largest",
       client_frame(0x82, long_payload.substr(0, 65535)),
       {"fin 2:" + long_payload.substr(0, 65535)}},
      {"64-bit length", client_frame(0x82, long_payload), {"fin 2:" + long_payload}},
      {"longest ping", client_frame(0x89, middle.substr(1)), {"fin 9:" + middle.substr(1)}},
      {"two messages", client_frame(0x82, "1") + client_frame(0x82, "2"), {"fin 2:1", "fin 2:2"}},
      {"close", client_frame(0x88, std::string{"\x03\xE8", 2}), {"fin 8:\x03\xE8"}},
      // §5.2 first byte
      {"reserved bit 1", client_frame(0xC2, "x"), {"reserved bit"}},
      {"reserved bit 2", client_frame(0xA2, "x"), {"reserved bit"}},
      {"reserved bit 3", client_frame(0x92, "x"), {"reserved bit"}},
      {"opcode 3", client_frame(0x83, ""), {"unknown opcode"}},
      {"opcode 7", client_frame(0x87, ""), {"unknown opcode"}},
      {"opcode 11", client_frame(0x8B, ""), {"unknown opcode"}},
      {"opcode 15", client_frame(0x8F, ""), {"unknown opcode"}},
      // §5.1, §5.3
      {"without mask", from_hex("82 01 78"), {"frame without mask"}},
      // §5.2 length
      {"top bit of a length", from_hex("82 ff 8000000000000000 00000000"), {"bad length"}},
      {"125 in 16 bits", from_hex("82 fe 007d 00000000"), {"bad length"}},
      {"65535 in 64 bits", from_hex("82 ff 000000000000ffff 00000000"), {"bad length"}},
      // §5.4
      {"continuation of nothing", client_frame(0x80, "x"), {"continuation of nothing"}},
      {"continuation behind a whole message",
       client_frame(0x82, "x") + client_frame(0x80, "y"),
       {"fin 2:x", "continuation of nothing"}},
      {"new message inside a fragmented one",
       client_frame(0x02, "x") + client_frame(0x82, "y"),
       {"part 2:x", "new message inside a fragmented one"}},
      // §5.5
      {"fragmented ping", client_frame(0x09, "x"), {"fragmented control frame"}},
      {"ping of 126 octets", client_frame(0x89, middle), {"long control frame"}},
      {"close of 64-bit length", client_frame(0x88, long_payload), {"long control frame"}},
  };
}

TEST(FrameReader, InRfcOrder) {
  for (const auto& row : rows()) EXPECT_EQ(events({row.stream}), row.events) << row.name;
}

TEST(FrameReader, AnySplitGivesTheSame) {
  for (const auto& row : rows()) {
    EXPECT_EQ(events(octet_by_octet(row.stream)), row.events) << row.name;
    for (std::size_t at = 0; at <= std::min<std::size_t>(row.stream.size(), 300); ++at) {
      ASSERT_EQ(events({row.stream.substr(0, at), row.stream.substr(at)}), row.events)
          << row.name << " split at " << at;
    }
  }
}

TEST(FrameReader, AnyTwoSplitsOfAStream) {
  const auto stream = client_frame(0x02, "abcdefg") + client_frame(0x89, "pingping") +
                      client_frame(0x80, "hi") + client_frame(0x82, "");
  const Strings expected{"part 2:abcdefg", "fin 9:pingping", "fin 0:hi", "fin 2:"};
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      ASSERT_EQ(events({stream.substr(0, first), stream.substr(first, second - first),
                        stream.substr(second)}),
                expected)
          << first << " " << second;
    }
  }
}

TEST(FrameReader, ViewsItsInput) {
  auto stream = client_frame(0x82, "payload") + client_frame(0x89, "ping");
  std::span<std::byte> input = std::as_writable_bytes(std::span{stream});
  const auto* const begin = input.data();
  FrameReader reader;
  EXPECT_EQ((*reader.next(input))->payload.data(), begin + 6);
  EXPECT_EQ((*reader.next(input))->payload.data(), begin + 6 + 7 + 6);
}

TEST(FrameReader, KnowsWhenItIsInsideAMessage) {
  FrameReader reader;
  EXPECT_FALSE(reader.inside_message());
  const auto feed = [&reader](std::string bytes) {
    std::span<std::byte> input = std::as_writable_bytes(std::span{bytes});
    while (*reader.next(input)) {
    }
  };
  const auto frame = client_frame(0x02, "ab");
  for (std::size_t i = 0; i < frame.size(); ++i) {
    feed(frame.substr(i, 1));
    EXPECT_TRUE(reader.inside_message()) << i;
  }
  feed(client_frame(0x89, ""));
  EXPECT_TRUE(reader.inside_message());
  feed(client_frame(0x80, ""));
  EXPECT_FALSE(reader.inside_message());
}

TEST(FrameReader, OfAClientWantsNoMask) {
  engine::OutputBuffer out;
  write_frame(out, Opcode::binary, as_bytes("abc"));
  write_close(out, 1000);
  EXPECT_EQ(to_hex(out.bytes()), "8203616263880203e8");
  const std::string stream{as_text(out.bytes())};
  EXPECT_EQ(events({stream}, Role::client), (Strings{"fin 2:abc", "fin 8:\x03\xE8"}));
  EXPECT_EQ(events(octet_by_octet(stream), Role::client), (Strings{"fin 2:abc", "fin 8:\x03\xE8"}));
  EXPECT_EQ(events({client_frame(0x82, "x")}, Role::client), Strings{"frame without mask"});
}

TEST(Unmask, AnyLengthPhaseAndAlignment) {
  std::mt19937 random{1};
  for (std::size_t size = 0; size < 200; ++size) {
    for (std::size_t phase = 0; phase < 4; ++phase) {
      for (std::size_t offset = 0; offset < 9; ++offset) {
        std::vector<std::byte> bytes(offset + size + 1);
        for (auto& byte : bytes) byte = static_cast<std::byte>(random());
        auto expected = bytes;
        for (std::size_t i = 0; i < size; ++i) expected[offset + i] ^= test_mask[(phase + i) % 4];
        unmask(std::span{bytes}.subspan(offset, size), test_mask, phase);
        ASSERT_EQ(bytes, expected) << size << " " << phase << " " << offset;
      }
    }
  }
}

struct CloseRow {
  std::string hex;
  bool valid;
  std::uint16_t code;
};

TEST(Close, PayloadsInRfcOrder) {
  const CloseRow table[] = {
      {"", true, 1005},          {"03", false, 1002},        {"03e8", true, 1000},
      {"03e9", true, 1001},      {"03ea", true, 1002},       {"03eb", true, 1003},
      {"03ec", false, 1002},     {"03ed", false, 1002},      {"03ee", false, 1002},
      {"03ef", true, 1007},      {"03f3", true, 1011},       {"03f6", true, 1014},
      {"03f7", false, 1002},     {"03e7", false, 1002},      {"0000", false, 1002},
      {"0bb8", true, 3000},      {"0fa0", true, 4000},       {"1387", true, 4999},
      {"1388", false, 1002},     {"07d0", false, 1002},      {"03e8 627965", true, 1000},
      {"03e8 c3a9", true, 1000}, {"03e8 fffe", false, 1007}, {"03ed fffe", false, 1002},
  };
  for (const auto& row : table) {
    const auto payload = from_hex(row.hex);
    const auto close = parse_close(as_bytes(payload));
    EXPECT_EQ(close.valid, row.valid) << row.hex;
    EXPECT_EQ(close.code, row.code) << row.hex;
  }
}

TEST(MessageWriter, WritesTheShortestHeadWhateverTheGuess) {
  for (const std::size_t hint : {0u, 10u, 125u, 126u, 1000u, 65535u, 65536u, 100'000u}) {
    for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 70'000u}) {
      const std::string payload(size, 'p');
      engine::OutputBuffer out;
      out.append("before");
      {
        MessageWriter message{out, hint};
        out.append(payload);
      }
      out.append("behind");
      engine::OutputBuffer expected;
      expected.append("before");
      write_frame(expected, Opcode::binary, as_bytes(payload));
      expected.append("behind");
      ASSERT_TRUE(as_text(out.bytes()) == as_text(expected.bytes())) << hint << " " << size;
    }
  }
}

TEST(Opening, AcceptKeyOfTheRfc) {
  EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // §1.3
}

}  // namespace
}  // namespace parsec::websocket
