#include "tests/support/certificate_builder.h"

#include <sodium.h>
#include <zlib.h>

#include <stdexcept>

namespace parsec::testing {
namespace {

unsigned char* octets(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }
const unsigned char* octets(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

SigningKey::SigningKey() : SigningKey(random_octets(crypto_sign_SEEDBYTES)) {}

SigningKey::SigningKey(const Octets& seed)
    : secret_(crypto_sign_SECRETKEYBYTES, '\0'), verify_key_(crypto_sign_PUBLICKEYBYTES, '\0') {
  if (seed.size() != crypto_sign_SEEDBYTES) throw std::invalid_argument("a seed has 32 octets");
  crypto_sign_seed_keypair(octets(verify_key_.bytes), octets(secret_.bytes), octets(seed.bytes));
}

Octets SigningKey::sign(const Octets& message) const {
  Octets combined{crypto_sign_BYTES + message.size(), '\0'};
  crypto_sign(octets(combined.bytes), nullptr, octets(message.bytes), message.size(),
              octets(secret_.bytes));
  return combined;
}

Octets SigningKey::certify(const Map& content) const { return sign(deflated(pack(content))); }

Octets deflated(std::string_view bytes) {
  uLongf size = compressBound(bytes.size());
  Octets compressed{size, '\0'};
  if (compress(octets(compressed.bytes), &size, reinterpret_cast<const Bytef*>(bytes.data()),
               bytes.size()) != Z_OK) {
    throw std::runtime_error("zlib does not compress");
  }
  compressed.bytes.resize(size);
  return compressed;
}

Map user_content(const Document& author, DateTime timestamp, std::string_view user_id,
                 std::string_view profile, const Document& human_handle, const Octets& public_key) {
  return {{"type", "user_certificate"},     {"author", author},
          {"timestamp", timestamp},         {"user_id", user_id},
          {"human_handle", human_handle},   {"public_key", public_key},
          {"is_admin", profile == "ADMIN"}, {"profile", profile}};
}

Map device_content(const Document& author, DateTime timestamp, std::string_view device_id,
                   const Document& label, const Octets& verify_key) {
  return {{"type", "device_certificate"}, {"author", author},      {"timestamp", timestamp},
          {"device_id", device_id},       {"device_label", label}, {"verify_key", verify_key}};
}

Map revocation_content(const Document& author, DateTime timestamp, std::string_view user_id) {
  return {{"type", "revoked_user_certificate"},
          {"author", author},
          {"timestamp", timestamp},
          {"user_id", user_id}};
}

Map role_content(const Document& author, DateTime timestamp, Uuid realm_id,
                 std::string_view user_id, const Document& role) {
  return {{"type", "realm_role_certificate"},
          {"author", author},
          {"timestamp", timestamp},
          {"realm_id", realm_id},
          {"user_id", user_id},
          {"role", role}};
}

}  // namespace parsec::testing
