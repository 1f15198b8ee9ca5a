// Servers that the product talks to (SMTP, HTTP), played by the Python scripts of this folder in a
// process of their own: what arrives there was understood by somebody else's code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/server_process.h"
#include "tests/support/temporary_directory.h"

namespace parsec::testing {

class Peer {
 public:
  /// script: its name, without `.py`. Returns when it listens.
  explicit Peer(const std::string& script, std::vector<std::string> arguments = {});

  std::uint16_t port() const { return port_; }
  /// PEM, to be trusted; of a server with TLS.
  const std::string& certificate() const { return certificate_; }

  /// What it told as the number-th thing (from 1): waits for it, and throws when it does not come.
  std::map<std::string, std::string> told(std::size_t number) const;
  /// How many things it told so far.
  std::size_t count() const;

 private:
  TemporaryDirectory directory_;
  ChildProcess process_;
  std::uint16_t port_ = 0;
  std::string certificate_;
};

}  // namespace parsec::testing
