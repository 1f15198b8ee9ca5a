// The TLS protocol of one connection: records in, plain bytes out, and the other way round.
//
// Records come from a span that the caller lends, and go straight into the transport's output
// buffer: OpenSSL's own buffers are the only ones between. Does not know when to do what; that is
// TlsLayer's part. Shard thread only.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "engine/handler.h"
#include "engine/tls/tls_context.h"

namespace parsec::engine {

class TlsSession {
 public:
  /// tls knows which side it is (TlsContext). Records go to that connection of `below`. Does not
  /// move: OpenSSL keeps its address.
  TlsSession(TlsPointer tls, Transport& below, ConnectionId connection);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  enum class Status {
    done,
    wants_input,  // the input is used up
    ended,        // the peer said close_notify
    failed,       // see failure(); an alert may be on its way to the peer
  };

  /// Bytes of the peer for the following calls, which take from their front.
  void lend_input(std::span<std::byte> input) { input_ = input; }
  std::span<std::byte> input() const { return input_; }

  Status handshake();
  bool established() const;

  /// Into the front of `room`, one record at most. `count` is set with Status::done.
  Status read(std::span<std::byte> room, std::size_t& count);
  /// All of it: there is always room in the output.
  Status write(std::span<const std::byte> bytes);
  /// Tells the peer that nothing follows.
  void say_close();

  const std::string& failure() const { return failure_; }

 private:
  friend struct TlsBio;
  Status status_of(int result);

  TlsPointer tls_;
  Transport& below_;
  const ConnectionId connection_;
  std::span<std::byte> input_;
  std::string failure_;
};

}  // namespace parsec::engine
