// The echo's loop: frames in, the same payloads back, nothing else (main.cpp says what for).
//
// One thread. Written as plainly as io_uring allows, apart from the engine: it is the measure.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace parsec::bench {

class Echo {
 public:
  /// Takes the listening socket. Throws where io_uring cannot be used.
  explicit Echo(int listener);
  ~Echo();
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;

  /// Until a signal ends the process.
  [[noreturn]] void run();

 private:
  struct Connection {
    bool open = false;
    bool upgraded = false;
    bool sending_now = false;
    bool receiving = false;
    std::size_t sent = 0;              // bytes of `sending` that the kernel took
    std::vector<std::byte> partial;    // of a head or a frame that has not come whole
    std::vector<std::byte> gathering;  // while `sending` is in flight
    std::vector<std::byte> sending;
  };
  enum class Operation : std::uint8_t { accept, receive, send };

  io_uring_sqe* entry();
  static void label(io_uring_sqe* sqe, Operation operation, int socket);
  void accept();
  void receive(int socket);
  void send(int socket);
  void recycle(std::uint32_t buffer);

  void on_completion(const io_uring_cqe& completion);
  void on_accepted(const io_uring_cqe& completion);
  void on_received(int socket, const io_uring_cqe& completion);
  void on_sent(int socket, int result);
  /// The connection ended; its descriptor is closed when nothing is in flight any more.
  void end(int socket);

  /// Answers what is whole in `bytes`; how much that was.
  static std::size_t serve(Connection& connection, std::span<std::byte> bytes);
  static std::size_t serve_opening(Connection& connection, std::span<std::byte> bytes);
  static std::size_t serve_frames(Connection& connection, std::span<std::byte> bytes);

  const int listener_;
  io_uring ring_{};
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::vector<std::byte> buffers_;
  std::vector<std::unique_ptr<Connection>> connections_;  // by descriptor
  std::vector<int> touched_;                              // in this turn: may have to send
};

}  // namespace parsec::bench
