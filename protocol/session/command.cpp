#include "protocol/session/command.h"

#include <array>
#include <new>

namespace parsec::protocol {
namespace {

/// Freed frames of one thread, by size class. A command's frame has one of few sizes, so that a
/// class soon holds what its shard needs; the bound is for a burst that passed.
class FrameCache {
 public:
  ~FrameCache() {
    for (auto& free_frames : classes_) {
      while (free_frames.first != nullptr) ::operator delete(free_frames.take());
    }
  }

  void* allocate(std::size_t size) {
    const auto index = class_of(size);
    if (index >= class_count) return ::operator new(size);
    auto& free_frames = classes_[index];
    if (free_frames.first != nullptr) return free_frames.take();
    return ::operator new((index + 1) * granule);
  }

  void deallocate(void* frame, std::size_t size) {
    const auto index = class_of(size);
    if (index >= class_count || classes_[index].count == max_free) return ::operator delete(frame);
    classes_[index].give(frame);
  }

 private:
  static constexpr std::size_t granule = 256;
  static constexpr std::size_t class_count = 16;  // up to 4 KiB
  static constexpr std::size_t max_free = 256;

  struct Node {
    Node* next;
  };

  struct FreeFrames {
    Node* first = nullptr;
    std::size_t count = 0;

    void* take() {
      Node* node = first;
      first = node->next;
      --count;
      return node;
    }
    void give(void* frame) {
      first = ::new (frame) Node{first};
      ++count;
    }
  };

  static std::size_t class_of(std::size_t size) { return (size - 1) / granule; }

  std::array<FreeFrames, class_count> classes_;
};

#ifdef __SANITIZE_ADDRESS__
// A frame used after its command ended is found only if its memory is really given back.
constexpr bool reuse_frames = false;
#else
constexpr bool reuse_frames = true;
#endif

thread_local FrameCache frame_cache;

}  // namespace

void* Command::promise_type::operator new(std::size_t size) {
  return reuse_frames ? frame_cache.allocate(size) : ::operator new(size);
}

void Command::promise_type::operator delete(void* frame, std::size_t size) {
  if (reuse_frames) {
    frame_cache.deallocate(frame, size);
  } else {
    ::operator delete(frame);
  }
}

}  // namespace parsec::protocol
