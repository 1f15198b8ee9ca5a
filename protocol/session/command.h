// A command under way: a coroutine from the validated request to its reply.
//
// Written top to bottom, it suspends where it waits for the database, an event or a store, and is
// destroyed where it stands when its connection ends or a new request cancels it: locals are
// released, nothing else happens. Shard thread only. Frames come from a free list of the thread,
// so a warm shard allocates none.
//
// Rules: views into the request (text, bytes, msgpack values) are gone after the first co_await;
// copy what is needed later into locals. Bind the result of co_await to a named variable before
// using it (GCC 12 miscompiles some temporaries across suspension points).
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>

namespace parsec::protocol {

class Command {
 public:
  struct promise_type {
    Command get_return_object() {
      return Command{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }  // errors are values; bad_alloc ends us
    static void* operator new(std::size_t size);
    static void operator delete(void* frame, std::size_t size);
  };

  Command() = default;
  explicit Command(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Command(Command&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Command& operator=(Command&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Command() {
    if (handle_) handle_.destroy();
  }

  explicit operator bool() const { return static_cast<bool>(handle_); }
  bool done() const { return handle_.done(); }
  void resume() { handle_.resume(); }
  void reset() { *this = Command{}; }

 private:
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace parsec::protocol
