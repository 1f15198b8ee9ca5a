// Any bytes as a WebSocket stream: the same frames and the same violation however it is cut into
// pieces. The first two bytes tell how long the pieces are.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "protocol/websocket/websocket.h"

namespace {

/// Frames one after another, with their payload; a violation by its name.
std::string frames_of(std::string stream, std::size_t even_piece, std::size_t odd_piece) {
  parsec::websocket::FrameReader reader;
  std::string found;
  std::span<std::byte> left = std::as_writable_bytes(std::span{stream});
  for (bool even = true; !left.empty(); even = !even) {
    auto piece = left.first(std::min(left.size(), even ? even_piece : odd_piece));
    left = left.subspan(piece.size());
    while (true) {
      const auto part = reader.next(piece);
      if (!part) return found.append(name(part.error()));
      if (!*part) break;
      const auto& frame = **part;
      assert(frame.payload.size() <= frame.frame_size);
      if (frame.first) {
        found += frame.fin ? '!' : '.';
        found += static_cast<char>('0' + static_cast<int>(frame.opcode));
      }
      found += parsec::as_text(frame.payload);
      if (frame.opcode == parsec::websocket::Opcode::close) {
        parsec::websocket::parse_close(frame.payload);
      }
    }
    assert(piece.empty());
  }
  return found + (reader.inside_message() ? " inside" : " between");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string stream{reinterpret_cast<const char*>(data) + 2, size - 2};
  const auto whole = frames_of(stream, stream.size() + 1, 1);
  assert(frames_of(stream, data[0] + 1u, data[1] + 1u) == whole);
  assert(frames_of(stream, 1, 1) == whole);
  return 0;
}
