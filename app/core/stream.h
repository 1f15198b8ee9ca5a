// A blocking byte stream to a server: TCP with timeouts, TLS where the address asks for it.
//
// For the command line's own client alone; the server never blocks. One thread. SIGPIPE must be
// ignored.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string>

#include "engine/types.h"
#include "protocol/types/address.h"

namespace parsec::app {

class Stream {
 public:
  virtual ~Stream() = default;

  /// Connects; with TLS, verifies the certificate against the system's authorities (or those of
  /// SSL_CERT_FILE) and the address's host. The error is a sentence for the user. timeout: of
  /// connecting, and of each later wait.
  static std::expected<std::unique_ptr<Stream>, std::string> connect(
      const protocol::BackendAddress& address, std::chrono::milliseconds timeout);

  /// At least one byte into the front of `room`; 0 at the end of the stream.
  virtual std::expected<std::size_t, std::string> read_some(std::span<std::byte> room) = 0;
  virtual std::expected<void, std::string> write_all(Bytes bytes) = 0;
};

}  // namespace parsec::app
