#include "bench/load/socket_dialer.h"

#include <unistd.h>

#include <cerrno>

namespace parsec::bench {

std::expected<engine::ConnectionId, int> SocketDialer::dial(std::uint8_t source) {
  const auto socket = target_.dial(source);
  if (!socket) return std::unexpected(socket.error());
  const auto id = shard_.adopt(*socket);
  if (!id) {
    ::close(static_cast<int>(*socket));
    return std::unexpected(EMFILE);
  }
  if (tls_ != nullptr) tls_->adopt(*id);
  return *id;
}

}  // namespace parsec::bench
