// Bytes on their way to a peer: an append-only, contiguous buffer that a handler writes into.
//
// Owned by one connection of one shard; shard thread only. Grows by doubling and gives its memory
// back with release(), so that an idle connection holds none. Pointers into it live until the next
// append.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

namespace parsec::engine {

class OutputBuffer {
 public:
  OutputBuffer() = default;
  OutputBuffer(OutputBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  OutputBuffer& operator=(OutputBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~OutputBuffer() { std::free(data_); }

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t capacity() const { return capacity_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Room for `count` more bytes at the end; they count once commit() says how many were written.
  std::byte* reserve(std::size_t count) {
    if (capacity_ - size_ < count) grow(count);
    return data_ + size_;
  }
  void commit(std::size_t count) {
    assert(count <= capacity_ - size_);
    size_ += static_cast<std::uint32_t>(count);
  }

  void append(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }
  void append(std::string_view text) { append(std::as_bytes(std::span{text})); }

  void push(std::uint8_t byte) {
    *reserve(1) = std::byte{byte};
    commit(1);
  }

  /// Forgets all bytes from `size` on.
  void truncate(std::size_t size) {
    assert(size <= size_);
    size_ = static_cast<std::uint32_t>(size);
  }
  void clear() { size_ = 0; }

  /// Gives the memory back.
  void release() {
    std::free(data_);
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  void grow(std::size_t count) {
    std::size_t wanted = capacity_ == 0 ? 512 : std::size_t{capacity_} * 2;
    while (wanted - size_ < count) wanted *= 2;
    assert(wanted <= UINT32_MAX);
    auto* grown = static_cast<std::byte*>(std::realloc(data_, wanted));
    if (grown == nullptr) throw std::bad_alloc();
    data_ = grown;
    capacity_ = static_cast<std::uint32_t>(wanted);
  }

  std::byte* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace parsec::engine
