#include "engine/tls/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cassert>
#include <climits>
#include <cstring>
#include <new>
#include <utility>

namespace parsec::engine {

/// OpenSSL's view of a connection (BIO_meth_new(3)).
struct TlsBio {
  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = make();
    return made;
  }

 private:
  static const BIO_METHOD* make() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    if (method == nullptr) throw std::bad_alloc();
    BIO_meth_set_read_ex(method, read);
    BIO_meth_set_write_ex(method, write);
    BIO_meth_set_ctrl(method, control);
    BIO_meth_set_create(method, create);
    return method;
  }
  static TlsSession& session_of(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  static int read(BIO* bio, char* room, std::size_t size, std::size_t* count) {
    std::span<std::byte>& input = session_of(bio).input_;
    BIO_clear_retry_flags(bio);
    if (input.empty()) {
      BIO_set_retry_read(bio);
      return 0;
    }
    *count = std::min(size, input.size());
    std::memcpy(room, input.data(), *count);
    input = input.subspan(*count);
    return 1;
  }
  static int write(BIO* bio, const char* bytes, std::size_t size, std::size_t* count) {
    TlsSession& session = session_of(bio);
    session.below_.output(session.connection_).append({bytes, size});
    BIO_clear_retry_flags(bio);
    *count = size;
    return 1;
  }
  static long control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;  // what is written leaves at the end of the turn
  }
};

TlsSession::TlsSession(TlsPointer tls, Transport& below, ConnectionId connection)
    : tls_(std::move(tls)), below_(below), connection_(connection) {
  BIO* bio = BIO_new(TlsBio::method());
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, this);
  SSL_set_bio(tls_.get(), bio, bio);  // takes the one reference
}

bool TlsSession::established() const { return SSL_is_init_finished(tls_.get()) == 1; }

TlsSession::Status TlsSession::status_of(int result) {
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_NONE:
      return Status::done;
    case SSL_ERROR_WANT_READ:
      return Status::wants_input;
    case SSL_ERROR_ZERO_RETURN:
      return Status::ended;
    default:
      break;
  }
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  failure_ = reason == nullptr ? "protocol error" : reason;
  ERR_clear_error();  // the queue belongs to the thread, and thereby to other connections as well
  return Status::failed;
}

TlsSession::Status TlsSession::handshake() { return status_of(SSL_do_handshake(tls_.get())); }

TlsSession::Status TlsSession::read(std::span<std::byte> room, std::size_t& count) {
  return status_of(SSL_read_ex(tls_.get(), room.data(), room.size(), &count));
}

TlsSession::Status TlsSession::write(std::span<const std::byte> bytes) {
  std::size_t written = 0;
  const Status status = status_of(SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &written));
  assert(status != Status::done || written == bytes.size());
  return status;
}

void TlsSession::say_close() {
  // 0: sent, the peer's own is not awaited.
  if (SSL_shutdown(tls_.get()) < 0) ERR_clear_error();
}

}  // namespace parsec::engine
