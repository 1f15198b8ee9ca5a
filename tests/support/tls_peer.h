// The client's side of TLS, without I/O: records in and out as strings. For clients of real
// sockets, of the simulated network and of a layer called by hand.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

namespace parsec::testing {

/// What a client remembers of a session to resume it.
using TlsTicket = std::shared_ptr<SSL_SESSION>;

struct TlsPeerOptions {
  std::string trusted = {};      // a PEM file; empty: any certificate will do
  std::string server_name = {};  // SNI; empty: none
  std::string protocols = {};    // ALPN, in the form of the wire
  int least_version = 0;         // of TLS, 0: OpenSSL's own
  int highest_version = 0;
  TlsTicket ticket = {};
};

class TlsPeer {
 public:
  explicit TlsPeer(const TlsPeerOptions& options = {});
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  /// Records of the server, cut anywhere.
  void take(std::string_view records);
  /// Kept until the handshake is over.
  void write(std::string_view plain);
  void say_close();
  void update_keys();

  /// What is to be sent now.
  std::string records();
  /// What the server said; the reader erases what it takes.
  std::string plain;

  bool established() const { return established_; }
  /// The server said close_notify.
  bool ended() const { return ended_; }
  /// Why TLS ended, if it did so by an error.
  const std::string& failure() const { return failure_; }
  bool resumed() const;
  std::string version() const;
  std::string cipher() const;
  std::string protocol() const;  // by ALPN
  /// The serial number would do: the certificate as the server showed it.
  std::string fingerprint() const;
  TlsTicket ticket() const { return ticket_; }

 private:
  void go_on();

  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> tls_;
  BIO* from_server_ = nullptr;
  BIO* to_server_ = nullptr;
  std::string unsent_;
  bool established_ = false;
  bool ended_ = false;
  bool closes_ = false;
  std::string failure_;
  TlsTicket ticket_;
};

}  // namespace parsec::testing
