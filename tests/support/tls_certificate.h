// A certificate for a test of TLS, signed by itself, with its key: two PEM files that are gone
// with the object.
#pragma once

#include <filesystem>
#include <string>

namespace parsec::testing {

class TlsCertificate {
 public:
  enum class Kind {
    p256,
    rsa2048,
    ed25519,  // its signatures have one length: for runs that must repeat
  };

  /// host: as in a subjectAltName, `DNS:localhost` or `IP:127.0.0.1`.
  explicit TlsCertificate(const std::string& host = "IP:127.0.0.1", Kind kind = Kind::p256);
  ~TlsCertificate();
  TlsCertificate(const TlsCertificate&) = delete;
  TlsCertificate& operator=(const TlsCertificate&) = delete;

  /// Also what a client must trust.
  std::string certificate() const { return directory_ / "certificate.pem"; }
  std::string key() const { return directory_ / "key.pem"; }
  std::string key_with_passphrase() const { return directory_ / "encrypted.pem"; }
  /// As an administrator renews it: the other's files in place of these.
  void replace_by(const TlsCertificate& other) const;
  /// The files are no PEM any more.
  void spoil() const;

 private:
  std::filesystem::path directory_;
};

}  // namespace parsec::testing
