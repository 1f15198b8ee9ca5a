// TLS in front of a server that speaks plain TCP, as a reverse proxy does it: for the TLS side of
// the administration client.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/support/socket.h"

namespace parsec::testing {

class TlsFront {
 public:
  /// Makes a certificate for that host, signed by itself.
  TlsFront(const Address& server, const std::string& host);
  ~TlsFront();

  const Address& address() const { return address_; }
  /// What a client must trust (PEM).
  const std::filesystem::path& certificate() const { return certificate_; }

 private:
  struct Running;

  Address address_;
  std::filesystem::path certificate_;
  std::unique_ptr<Running> running_;
};

}  // namespace parsec::testing
