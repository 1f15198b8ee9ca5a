#include "tests/app/tls_front.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <thread>

namespace parsec::testing {
namespace {

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* pointer) const {
    free(pointer);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Tls = std::unique_ptr<SSL, Free<SSL_free>>;

void add_extension(X509* certificate, int identifier, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, identifier, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate self_signed(EVP_PKEY* key, const std::string& host) {
  Certificate certificate{X509_new()};
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  const auto* name = reinterpret_cast<const unsigned char*>("test");
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");  // its own authority
  add_extension(certificate.get(), NID_subject_alt_name, host);
  X509_sign(certificate.get(), key, EVP_sha256());
  return certificate;
}

int listen_on_loopback(std::uint16_t& port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&name), size) != 0 ||
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &size) != 0 ||
      ::listen(descriptor, 8) != 0) {
    throw std::runtime_error("no loopback socket");
  }
  port = ntohs(name.sin_port);
  return descriptor;
}

/// Copies both ways until one side ends. TLS bytes that OpenSSL holds back are read before waiting.
void relay(SSL* tls, const Address& server) {
  Socket plain{server};
  std::array<char, 4096> part;
  for (;;) {
    if (SSL_pending(tls) == 0) {
      std::array<pollfd, 2> both{{{SSL_get_fd(tls), POLLIN, 0}, {plain.descriptor(), POLLIN, 0}}};
      if (::poll(both.data(), both.size(), static_cast<int>(patience.count())) <= 0) return;
      if (both[1].revents != 0) {
        plain.receive_available();
        if (!plain.input.empty()) {
          SSL_write(tls, plain.input.data(), static_cast<int>(plain.input.size()));
          plain.input.clear();
        }
        if (plain.ended()) return;
      }
      if (both[0].revents == 0) continue;
    }
    const int count = SSL_read(tls, part.data(), part.size());
    if (count <= 0) return;
    plain.send({part.data(), static_cast<std::size_t>(count)});
    plain.flush(within(patience));
  }
}

}  // namespace

struct TlsFront::Running {
  Context context{SSL_CTX_new(TLS_server_method())};
  int listener = -1;
  std::atomic<bool> stopping = false;
  std::thread thread;
};

TlsFront::TlsFront(const Address& server, const std::string& host)
    : running_(std::make_unique<Running>()) {
  const Key key{EVP_EC_gen("P-256")};
  const Certificate certificate = self_signed(key.get(), host);
  SSL_CTX_use_certificate(running_->context.get(), certificate.get());
  SSL_CTX_use_PrivateKey(running_->context.get(), key.get());
  running_->listener = listen_on_loopback(address_.port);

  certificate_ = std::filesystem::temp_directory_path() /
                 ("parsec-test-" + std::to_string(address_.port) + ".pem");
  std::FILE* file = std::fopen(certificate_.c_str(), "w");
  PEM_write_X509(file, certificate.get());
  std::fclose(file);

  running_->thread = std::thread{[running = running_.get(), server] {
    for (;;) {
      const int client = ::accept4(running->listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (running->stopping) return;
      const Tls tls{SSL_new(running->context.get())};
      SSL_set_fd(tls.get(), client);
      if (SSL_accept(tls.get()) == 1) relay(tls.get(), server);
      ::close(client);
    }
  }};
}

TlsFront::~TlsFront() {
  running_->stopping = true;
  ::shutdown(running_->listener, SHUT_RDWR);  // which ends accept()
  running_->thread.join();
  ::close(running_->listener);
  std::error_code error;
  std::filesystem::remove(certificate_, error);
}

}  // namespace parsec::testing
