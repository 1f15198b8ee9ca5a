// What TLS connections share: certificate chain, private key, protocol versions, ciphers, and the
// keys that session tickets are sealed with.
//
// One for all shards, so that a client resumes on whichever shard it comes back to. Loaded before
// the shards start; a certificate that was renewed is taken over for new connections, while those
// that are there go on with the one they began with. Any thread.
#pragma once

#include <openssl/types.h>

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

  /// Reads the files again. After an error everything is as it was.
  std::expected<void, std::string> reload();

  /// The server's side of a new connection; null when memory is short.
  TlsPointer new_connection() const;

 private:
  using Loaded = std::unique_ptr<SSL_CTX, FreeTls>;

  explicit TlsContext(TlsFiles files) : files_(std::move(files)) {}
  static std::expected<Loaded, std::string> read(const TlsFiles& files);

  const TlsFiles files_;
  mutable std::mutex mutex_;  // held to copy or swap, never while files are read
  Loaded loaded_;
};

}  // namespace parsec::engine
