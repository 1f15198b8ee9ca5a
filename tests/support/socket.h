// A TCP connection for tests: every wait is bounded, and nothing blocks in a send.
//
// One thread may drive any number of them: while it waits for one, what other sockets of the thread
// still have to send goes out as well, so that peers that wait for each other cannot hang the test.
// Not for sharing between threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/support/tls_peer.h"

namespace parsec::testing {

using Duration = std::chrono::milliseconds;
using Deadline = std::chrono::steady_clock::time_point;
inline Deadline within(Duration duration) { return std::chrono::steady_clock::now() + duration; }

/// How long a test waits for what should happen. Long: it only delays failures.
inline constexpr Duration patience{15'000};

struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::optional<TlsPeerOptions> tls = {};  // nullopt: plain TCP
};

/// What a client met instead of what it waited for.
struct ClientError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct TimedOut : ClientError {
  using ClientError::ClientError;
};

class Socket {
 public:
  /// receive_buffer_size: of the kernel, 0 leaves the default; a small one makes a slow reader.
  explicit Socket(const Address& address, int receive_buffer_size = 0);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// The client's side of TLS; null without it. Everything else here is about plain bytes.
  TlsPeer* tls() { return tls_.get(); }

  /// Sends now what the kernel takes, the rest whenever this thread waits.
  void send(std::string_view bytes);
  /// Waits until all is with the kernel. False: the peer does not take it in time, or is gone.
  bool flush(Deadline deadline);

  /// Bytes that arrived and were not taken yet; the reader erases what it takes.
  std::string input;
  /// Waits until more input is there (true), or the stream has ended (false). Throws TimedOut.
  bool receive(Deadline deadline);
  /// Takes what the kernel has, without waiting.
  void receive_available() { take_input(); }
  bool ended() const { return ended_; }

  /// No more bytes to the peer, which may still send. TLS says so, too.
  void finish_sending();
  /// Ends the connection with a TCP reset.
  void reset();

  int descriptor() const { return descriptor_; }

 private:
  /// Waits until there is input in the kernel. False: not in time.
  bool wait_readable(Deadline deadline) const;
  void push_output();
  void take_input();
  void queue(std::string_view bytes);

  int descriptor_ = -1;
  std::unique_ptr<TlsPeer> tls_;
  std::string output_;
  bool ended_ = false;
};

}  // namespace parsec::testing
