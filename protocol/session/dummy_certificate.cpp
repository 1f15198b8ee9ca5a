#include "protocol/session/dummy_certificate.h"

#include <sodium.h>
#include <zlib.h>

#include <array>
#include <cassert>
#include <span>
#include <vector>

#include "engine/output_buffer.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::protocol {
namespace {

/// Of the usual length: it is inflated and read as often as real ones.
std::vector<std::byte> make_certificate() {
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> verify_key{};
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret_key{};
  crypto_sign_keypair(verify_key.data(), secret_key.data());
  sodium_memzero(secret_key.data(), secret_key.size());

  engine::OutputBuffer content;
  msgpack::Writer writer{content};
  writer.map(6);
  writer.str("type"), writer.str("device_certificate");
  writer.str("author"), writer.str("5b5ff3a3f1a94b1a8b0c0fe8c1b2d3a4@7d6e5f4a3b2c41d0");
  writer.str("timestamp"), writer.datetime({1'600'000'000'123'456});
  writer.str("device_id"), writer.str("0a1b2c3d4e5f60718293a4b5c6d7e8f9@1029384756aabbcc");
  writer.str("device_label"), writer.str("laptop");
  writer.str("verify_key"), writer.bin(std::as_bytes(std::span{verify_key}));

  std::vector<std::byte> certificate(crypto_sign_BYTES + ::compressBound(content.size()));
  uLongf size = certificate.size() - crypto_sign_BYTES;
  const int compressed =
      ::compress(reinterpret_cast<Bytef*>(certificate.data() + crypto_sign_BYTES), &size,
                 reinterpret_cast<const Bytef*>(content.data()), content.size());
  assert(compressed == Z_OK);
  static_cast<void>(compressed);
  certificate.resize(crypto_sign_BYTES + size);
  return certificate;
}

}  // namespace

Bytes dummy_device_certificate() {
  static const std::vector<std::byte> certificate = make_certificate();
  return certificate;
}

}  // namespace parsec::protocol
