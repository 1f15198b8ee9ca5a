// A first-in-first-out queue that keeps its memory: std::deque allocates and frees as it moves on,
// which a path without allocations cannot have. Grows by doubling, never shrinks. One thread.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <utility>
#include <vector>

namespace parsec::db {

template <class T>
class Queue {
 public:
  explicit Queue(std::size_t capacity = 64) : slots_(std::bit_ceil(capacity)) {}

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  T& operator[](std::size_t index) {
    assert(index < size_);
    return slots_[(head_ + index) & (slots_.size() - 1)];
  }
  T& front() { return (*this)[0]; }

  void push_back(const T& value) {
    if (size_ == slots_.size()) grow();
    ++size_;
    (*this)[size_ - 1] = value;
  }
  void push_front(const T& value) {
    if (size_ == slots_.size()) grow();
    ++size_;
    head_ = (head_ - 1) & (slots_.size() - 1);
    front() = value;
  }
  T pop_front() {
    T value = front();
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
    return value;
  }

  /// Takes out what `take` says true of (it gets every element, in order); the others keep their
  /// order.
  template <class Predicate>
  void extract_if(Predicate take) {
    const std::size_t count = size_;
    for (std::size_t i = 0; i < count; ++i) {
      const T value = pop_front();
      if (!take(value)) push_back(value);
    }
  }

 private:
  void grow() {
    std::vector<T> grown(slots_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) grown[i] = (*this)[i];
    slots_ = std::move(grown);
    head_ = 0;
  }

  std::vector<T> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace parsec::db
