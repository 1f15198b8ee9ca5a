// What TLS connections share: certificate chain, private key, protocol versions, ciphers, and the
// keys that session tickets are sealed with. Or, on the other side, whom clients trust.
//
// One for all shards, so that a client resumes on whichever shard it comes back to. Loaded before
// the shards start; a certificate that was renewed is taken over for new connections, while those
// that are there go on with the one they began with. Any thread.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace parsec::engine {

struct FreeTls {
  void operator()(SSL* tls) const;
  void operator()(SSL_CTX* context) const;
};
using TlsPointer = std::unique_ptr<SSL, FreeTls>;

/// PEM files. The chain begins with the server's certificate.
struct TlsFiles {
  std::string certificate_chain;
  std::string private_key;
};

class TlsContext {
 public:
  /// The error is a sentence for the operator.
  static std::expected<std::unique_ptr<TlsContext>, std::string> load(TlsFiles files);

  /// For connections to that server, a name or an address, whose certificate must be valid for it
  /// and signed by an authority of this machine (SSL_CERT_FILE, SSL_CERT_DIR). The error is a
  /// sentence for the user.
  static std::expected<std::unique_ptr<TlsContext>, std::string> for_clients_of(std::string server);

  /// Reads the files again, of a server. After an error everything is as it was.
  std::expected<void, std::string> reload();

  /// Of a server: when the certificate that new connections get ends, in seconds since 1970.
  std::int64_t not_after() const;

  /// Our side of a new connection; null when memory is short.
  TlsPointer new_connection() const;

 private:
  using Loaded = std::unique_ptr<SSL_CTX, FreeTls>;

  TlsContext() = default;
  static std::expected<Loaded, std::string> read(const TlsFiles& files);

  TlsFiles files_;            // of a server
  std::string server_;        // of clients
  mutable std::mutex mutex_;  // held to copy or swap, never while files are read
  Loaded loaded_;
};

}  // namespace parsec::engine
