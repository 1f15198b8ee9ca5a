#include "tests/support/tls_certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>

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
using File = std::unique_ptr<std::FILE, Free<std::fclose>>;

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
  const bool brings_its_digest = EVP_PKEY_is_a(key, "ED25519") == 1;
  X509_sign(certificate.get(), key, brings_its_digest ? nullptr : EVP_sha256());
  return certificate;
}

Key make_key(TlsCertificate::Kind kind) {
  switch (kind) {
    case TlsCertificate::Kind::p256:
      return Key{EVP_EC_gen("P-256")};
    case TlsCertificate::Kind::rsa2048:
      return Key{EVP_RSA_gen(2048)};
    case TlsCertificate::Kind::ed25519:
      return Key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
  }
  throw std::invalid_argument("kind");
}

std::filesystem::path temporary_directory() {
  std::string name = std::filesystem::temp_directory_path() / "parsec-tls-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  return name;
}

File open_new(const std::string& path) {
  File file{std::fopen(path.c_str(), "w")};
  if (!file) throw std::runtime_error("cannot write " + path);
  return file;
}

}  // namespace

TlsCertificate::TlsCertificate(const std::string& host, Kind kind)
    : directory_(temporary_directory()) {
  const Key made = make_key(kind);
  PEM_write_X509(open_new(certificate()).get(), self_signed(made.get(), host).get());
  PEM_write_PrivateKey(open_new(key()).get(), made.get(), nullptr, nullptr, 0, nullptr, nullptr);
  unsigned char passphrase[] = "pa55word";
  PEM_write_PrivateKey(open_new(key_with_passphrase()).get(), made.get(), EVP_aes_128_cbc(),
                       passphrase, sizeof passphrase - 1, nullptr, nullptr);
}

TlsCertificate::~TlsCertificate() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void TlsCertificate::replace_by(const TlsCertificate& other) const {
  constexpr auto overwrite = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(other.certificate(), certificate(), overwrite);
  std::filesystem::copy_file(other.key(), key(), overwrite);
}

void TlsCertificate::spoil() const { std::ofstream{certificate()} << "no certificate\n"; }

}  // namespace parsec::testing
