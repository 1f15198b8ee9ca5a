#include "bench/population/certificates.h"

#include <sodium.h>
#include <zlib.h>

#include <cassert>
#include <chrono>

#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::bench {

namespace {

Octets certify(const SigningKey& key, const engine::OutputBuffer& content) {
  uLongf size = compressBound(content.size());
  Octets compressed(size);
  const int done = compress(reinterpret_cast<Bytef*>(compressed.data()), &size,
                            reinterpret_cast<const Bytef*>(content.data()), content.size());
  assert(done == Z_OK);
  static_cast<void>(done);
  compressed.resize(size);
  return sign(key, compressed);
}

/// The fields that all have, in a map of `fields` more.
msgpack::Writer begin(engine::OutputBuffer& content, std::uint32_t fields, std::string_view type,
                      const Author& author, DateTime timestamp) {
  msgpack::Writer writer{content};
  writer.map(3 + fields);
  writer.str("type");
  writer.str(type);
  writer.str("author");
  writer.optional_str(author.id);
  writer.str("timestamp");
  writer.datetime(timestamp);
  return writer;
}

}  // namespace

Octets sign(const SigningKey& key, Bytes message) {
  Octets combined(crypto_sign_BYTES + message.size());
  crypto_sign(reinterpret_cast<unsigned char*>(combined.data()), nullptr,
              reinterpret_cast<const unsigned char*>(message.data()), message.size(),
              reinterpret_cast<const unsigned char*>(key.secret.data()));
  return combined;
}

Octets user_certificate(const Author& author, DateTime timestamp, std::string_view user_id,
                        std::string_view profile, std::optional<std::string_view> human_email) {
  engine::OutputBuffer content;
  auto writer = begin(content, 5, "user_certificate", author, timestamp);
  writer.str("user_id");
  writer.str(user_id);
  writer.str("human_handle");
  if (human_email) {
    writer.array(2);
    writer.str(*human_email);
    writer.str(user_id);
  } else {
    writer.nil();
  }
  // Nobody is ever sent anything: a key of zeroes will do.
  constexpr std::array<std::byte, 32> public_key{};
  writer.str("public_key");
  writer.bin(public_key);
  writer.str("is_admin");
  writer.boolean(profile == "ADMIN");
  writer.str("profile");
  writer.str(profile);
  return certify(author.key, content);
}

Octets device_certificate(const Author& author, DateTime timestamp, std::string_view device_id,
                          std::optional<std::string_view> label,
                          const protocol::VerifyKey& verify_key) {
  engine::OutputBuffer content;
  auto writer = begin(content, 3, "device_certificate", author, timestamp);
  writer.str("device_id");
  writer.str(device_id);
  writer.str("device_label");
  writer.optional_str(label);
  writer.str("verify_key");
  writer.bin(verify_key);
  return certify(author.key, content);
}

Octets role_certificate(const Author& author, DateTime timestamp, const Uuid& realm_id,
                        std::string_view user_id, std::string_view role) {
  engine::OutputBuffer content;
  auto writer = begin(content, 3, "realm_role_certificate", author, timestamp);
  writer.str("realm_id");
  writer.uuid(realm_id);
  writer.str("user_id");
  writer.str(user_id);
  writer.str("role");
  writer.str(role);
  return certify(author.key, content);
}

DateTime now() {
  return {std::chrono::duration_cast<std::chrono::microseconds>(
              std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

}  // namespace parsec::bench
