#include "tests/support/tls_peer.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace parsec::testing {
namespace {

void require(bool done, const char* what) {
  if (done) return;
  ERR_clear_error();
  throw std::runtime_error(std::string{"TLS client: "} + what);
}

int keep_ticket(SSL* tls, SSL_SESSION* session) {
  auto& ticket = *static_cast<TlsTicket*>(SSL_get_ex_data(tls, 0));
  ticket.reset(session, SSL_SESSION_free);
  return 1;  // it is ours now
}

}  // namespace

TlsPeer::TlsPeer(const TlsPeerOptions& options)
    : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
  SSL_CTX* context = context_.get();
  if (!options.trusted.empty()) {
    require(SSL_CTX_load_verify_file(context, options.trusted.c_str()) == 1, "trusted");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  // So that a test can offer what a server must refuse.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, options.least_version);
  SSL_CTX_set_max_proto_version(context, options.highest_version);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, keep_ticket);
  tls_.reset(SSL_new(context), SSL_free);
  SSL* tls = tls_.get();
  SSL_set_ex_data(tls, 0, &ticket_);
  if (!options.server_name.empty()) {
    std::string name = options.server_name;
    SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  }
  if (!options.protocols.empty()) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(options.protocols.data());
    SSL_set_alpn_protos(tls, bytes, static_cast<unsigned>(options.protocols.size()));
  }
  if (options.ticket) require(SSL_set_session(tls, options.ticket.get()) == 1, "ticket");
  from_server_ = BIO_new(BIO_s_mem());
  to_server_ = BIO_new(BIO_s_mem());
  SSL_set_bio(tls, from_server_, to_server_);
  SSL_set_connect_state(tls);
  go_on();
}

TlsPeer::~TlsPeer() = default;

void TlsPeer::take(std::string_view records) {
  if (!records.empty()) BIO_write(from_server_, records.data(), static_cast<int>(records.size()));
  go_on();
}

void TlsPeer::write(std::string_view bytes) {
  unsent_ += bytes;
  go_on();
}

void TlsPeer::say_close() {
  closes_ = true;
  go_on();
}

void TlsPeer::update_keys() {
  require(SSL_key_update(tls_.get(), SSL_KEY_UPDATE_REQUESTED) == 1, "KeyUpdate");
  SSL_do_handshake(tls_.get());
  go_on();
}

std::string TlsPeer::records() {
  std::string all(BIO_ctrl_pending(to_server_), '\0');
  if (!all.empty()) BIO_read(to_server_, all.data(), static_cast<int>(all.size()));
  return all;
}

void TlsPeer::go_on() {
  if (!failure_.empty()) return;
  SSL* tls = tls_.get();
  int result = SSL_do_handshake(tls);
  if (result == 1) {
    established_ = true;
    if (!unsent_.empty()) {
      SSL_write(tls, unsent_.data(), static_cast<int>(unsent_.size()));
      unsent_.clear();
    }
    if (std::exchange(closes_, false)) SSL_shutdown(tls);
    std::array<char, 16 * 1024> part;
    while ((result = SSL_read(tls, part.data(), part.size())) > 0) {
      plain.append(part.data(), static_cast<std::size_t>(result));
    }
  }
  switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
      break;
    case SSL_ERROR_ZERO_RETURN:
      ended_ = true;
      break;
    default:
      const char* reason = ERR_reason_error_string(ERR_peek_error());
      failure_ = reason == nullptr ? "unknown" : reason;
  }
  ERR_clear_error();
}

bool TlsPeer::resumed() const { return SSL_session_reused(tls_.get()) == 1; }
std::string TlsPeer::version() const { return SSL_get_version(tls_.get()); }
std::string TlsPeer::cipher() const { return SSL_get_cipher_name(tls_.get()); }

std::string TlsPeer::protocol() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(tls_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsPeer::fingerprint() const {
  X509* certificate = SSL_get0_peer_certificate(tls_.get());
  if (certificate == nullptr) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace parsec::testing
