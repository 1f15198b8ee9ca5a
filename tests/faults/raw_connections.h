// Very many raw connections to a server, driven by one thread: clients of which only the number, or
// their bad manners, matter.
//
// They come from several addresses of the loopback network, as one address has not enough ports.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tests/support/socket.h"

namespace parsec::testing {

class RawConnections {
 public:
  explicit RawConnections(const Address& address) : address_(address) {}
  ~RawConnections() { leave(); }
  RawConnections(const RawConnections&) = delete;
  RawConnections& operator=(const RawConnections&) = delete;

  /// How many more connections the limit of open files lets this process have.
  static std::size_t room();

  /// So many more; throws when one cannot be made.
  void join(std::size_t count);
  std::size_t size() const { return descriptors_.size(); }

  /// The same bytes on each connection, or on one; what the kernel does not take is dropped.
  void send(std::string_view bytes);
  void send(std::size_t which, std::string_view bytes);

  /// How many the server has ended. Throws away what arrived.
  std::size_t ended();
  /// What arrived on one, for as long as `enough` bytes have not, the server has not ended it, and
  /// there is time.
  std::string receive(std::size_t which, std::size_t enough, Duration limit);

  enum class Leave : std::uint8_t { politely, by_reset };
  void leave(Leave how = Leave::politely);

 private:
  const Address address_;
  std::vector<int> descriptors_;
  std::vector<bool> ended_;
  std::size_t joined_ = 0;  // ever
};

}  // namespace parsec::testing
