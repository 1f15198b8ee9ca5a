// A real proxy in front of several servers: haproxy, as administrators put it there. It ends TLS,
// deals requests and WebSockets out in turn, tells the servers in X-Forwarded-Proto what came over
// TLS, and leaves out a server that does not answer.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "tests/support/server_process.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tls_certificate.h"

namespace parsec::testing {

class Haproxy {
 public:
  /// Starts it, and waits until it serves; throws with its output when it does not.
  explicit Haproxy(std::span<const Address> servers);

  Address plain() const { return {.port = plain_port_}; }
  Address tls() const;
  /// Waits until a server has passed its first check. False: none did in time.
  bool await_passed_check() const { return process_->await_output("Layer7 check passed"); }

 private:
  /// False: it ended.
  bool await_listening();
  std::string configuration(std::span<const Address> servers);

  TemporaryDirectory directory_;
  TlsCertificate certificate_;
  std::uint16_t plain_port_ = 0;
  std::uint16_t tls_port_ = 0;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace parsec::testing
