// Takes what a fuzz target needs from the bytes of its input, front to back; when they are used up,
// everything is zero and empty.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace parsec::testing {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : left_(reinterpret_cast<const char*>(data), size) {}
  explicit Input(std::string_view bytes) : left_(bytes) {}

  bool empty() const { return left_.empty(); }
  std::uint8_t byte() {
    const auto taken = bytes(1);
    return taken.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(taken[0]);
  }
  /// One of so many: 0 to count - 1.
  std::size_t one_of(std::size_t count) { return byte() % count; }
  bool chance() { return (byte() & 1) != 0; }
  std::string_view bytes(std::size_t most) {
    const auto taken = left_.substr(0, most);
    left_.remove_prefix(taken.size());
    return taken;
  }
  /// As many as a byte in front of them says.
  std::string_view chunk() {
    const std::size_t size = byte();
    return bytes(size);
  }
  /// Up to the separator, which is taken as well.
  std::string_view until(char separator) {
    const auto end = std::min(left_.find(separator), left_.size());
    const auto taken = bytes(end);
    bytes(1);
    return taken;
  }
  std::string_view rest() { return bytes(left_.size()); }

 private:
  std::string_view left_;
};

}  // namespace parsec::testing
