#include "protocol/bytes/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

namespace parsec::protocol {
namespace {

/// zlib's state is 7 KiB plus a window of up to 32 KiB: worth keeping.
class Inflater {
 public:
  Inflater() {
    if (inflateInit(&stream_) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::optional<Bytes> run(Bytes compressed, std::size_t max_bytes) {
    if (compressed.size() > std::numeric_limits<uInt>::max()) return std::nullopt;
    if (output_.size() > kept_bytes) output_ = std::vector<std::byte>(first_bytes);
    inflateReset(&stream_);
    // zlib reads through next_in, although its type does not say const.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(compressed.data()));
    stream_.avail_in = static_cast<uInt>(compressed.size());
    while (true) {
      const std::size_t written = stream_.total_out;
      // One byte more than allowed shows that there is too much.
      const std::size_t room = std::min(output_.size(), max_bytes + 1) - written;
      if (room == 0) {
        if (written > max_bytes) return std::nullopt;
        output_.resize(output_.size() * 2);
        continue;
      }
      stream_.next_out = reinterpret_cast<Bytef*>(output_.data() + written);
      stream_.avail_out = static_cast<uInt>(room);
      const int status = ::inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) break;
      if (status != Z_OK) return std::nullopt;  // Z_BUF_ERROR: the stream is cut short
    }
    if (stream_.avail_in != 0 || stream_.total_out > max_bytes) return std::nullopt;
    return Bytes{output_.data(), stream_.total_out};
  }

 private:
  static constexpr std::size_t first_bytes = 4 * 1024;
  static constexpr std::size_t kept_bytes = 64 * 1024;

  z_stream stream_{};
  std::vector<std::byte> output_ = std::vector<std::byte>(first_bytes);
};

}  // namespace

std::optional<Bytes> inflate(Bytes compressed, std::size_t max_bytes) {
  static thread_local Inflater inflater;
  return inflater.run(compressed, max_bytes);
}

}  // namespace parsec::protocol
