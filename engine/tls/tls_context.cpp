#include "engine/tls/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <cassert>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

namespace parsec::engine {
namespace {

using Failure = std::unexpected<std::string>;

/// The first error that OpenSSL noted; what followed are its consequences.
std::string openssl_error() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(static_cast<int>(ERR_GET_REASON(code)));
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

/// Nobody can be asked for a passphrase: notes that the key needs one.
int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

/// Whoever offers protocols and not this one goes on without: nothing else is spoken here anyway.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char http_1_1[] = "\x08http/1.1";  // RFC 7301 §3.1
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, http_1_1, sizeof http_1_1 - 1, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

/// Forward secrecy and authenticated encryption only (RFC 9325 §4.2); TLS 1.3 has nothing else.
bool harden(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // An idle connection keeps no record buffers.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // Sessions live in tickets, with the clients. One for each handshake: a client asks for the next
  // when it uses it.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  constexpr unsigned char session_context[] = "parsec";
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
         SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1) == 1;
}

/// Who must be on the other side: named in the handshake (RFC 6066 §3, names only) and in the
/// certificate.
bool expect_server(SSL* tls, std::string server) {
  X509_VERIFY_PARAM* const expected = SSL_get0_param(tls);
  if (X509_VERIFY_PARAM_set1_ip_asc(expected, server.c_str()) == 1) return true;
  ERR_clear_error();
  return SSL_set1_host(tls, server.c_str()) == 1 &&
         SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, server.data()) == 1;
}

constexpr std::size_t ticket_keys_size = 80;  // SSL_CTX_set_tlsext_ticket_keys(3)

}  // namespace

void FreeTls::operator()(SSL* tls) const { SSL_free(tls); }
void FreeTls::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

std::expected<std::unique_ptr<TlsContext>, std::string> TlsContext::load(TlsFiles files) {
  std::unique_ptr<TlsContext> context{new TlsContext};
  context->files_ = std::move(files);
  auto loaded = read(context->files_);
  if (!loaded) return Failure{std::move(loaded.error())};
  context->loaded_ = std::move(*loaded);
  return context;
}

std::expected<std::unique_ptr<TlsContext>, std::string> TlsContext::for_clients_of(
    std::string server) {
  ERR_clear_error();
  std::unique_ptr<TlsContext> context{new TlsContext};
  context->server_ = std::move(server);
  context->loaded_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const loaded = context->loaded_.get();
  if (loaded == nullptr || SSL_CTX_set_min_proto_version(loaded, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_default_verify_paths(loaded) != 1) {
    return Failure{"TLS cannot be set up: " + openssl_error()};
  }
  SSL_CTX_set_mode(loaded, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(loaded, SSL_VERIFY_PEER, nullptr);
  return context;
}

std::expected<void, std::string> TlsContext::reload() {
  assert(server_.empty());
  auto loaded = read(files_);
  if (!loaded) return Failure{std::move(loaded.error())};
  const std::lock_guard lock{mutex_};
  // Sessions outlive the certificate.
  std::array<unsigned char, ticket_keys_size> keys;
  SSL_CTX_get_tlsext_ticket_keys(loaded_.get(), keys.data(), keys.size());
  SSL_CTX_set_tlsext_ticket_keys(loaded->get(), keys.data(), keys.size());
  OPENSSL_cleanse(keys.data(), keys.size());
  std::swap(loaded_, *loaded);
  return {};
}

std::expected<TlsContext::Loaded, std::string> TlsContext::read(const TlsFiles& files) {
  ERR_clear_error();
  Loaded loaded{SSL_CTX_new(TLS_server_method())};
  SSL_CTX* context = loaded.get();
  if (context == nullptr || !harden(context)) {
    return Failure{"TLS cannot be set up: " + openssl_error()};
  }
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate_chain.c_str()) != 1) {
    return Failure{"The TLS certificate `" + files.certificate_chain +
                   "` cannot be used: " + openssl_error()};
  }
  bool encrypted = false;
  SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
  const bool key_read =
      SSL_CTX_use_PrivateKey_file(context, files.private_key.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  const std::string key = "The TLS private key `" + files.private_key + "` ";
  if (encrypted) {
    ERR_clear_error();
    return Failure{key + "is encrypted: the server needs it without a passphrase"};
  }
  const unsigned long code = ERR_peek_error();
  const bool mismatch =
      ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH;
  if (!key_read && !mismatch) return Failure{key + "cannot be used: " + openssl_error()};
  if (!key_read || SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return Failure{key + "does not belong to the certificate `" + files.certificate_chain + "`"};
  }
  return loaded;
}

std::int64_t TlsContext::not_after() const {
  const std::lock_guard lock{mutex_};
  const X509* certificate = SSL_CTX_get0_certificate(loaded_.get());
  std::tm time{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) {
    return 0;
  }
  return ::timegm(&time);
}

TlsPointer TlsContext::new_connection() const {
  const std::lock_guard lock{mutex_};
  TlsPointer tls{SSL_new(loaded_.get())};
  if (tls == nullptr) return tls;
  if (server_.empty()) {
    SSL_set_accept_state(tls.get());
  } else {
    SSL_set_connect_state(tls.get());
    if (!expect_server(tls.get(), server_)) return nullptr;
  }
  return tls;
}

}  // namespace parsec::engine
