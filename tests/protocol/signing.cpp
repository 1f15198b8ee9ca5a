#include "tests/protocol/signing.h"

#include <sodium.h>
#include <zlib.h>

#include <cassert>

namespace parsec::testing_support {
namespace {

unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* raw(const char* text) { return reinterpret_cast<const unsigned char*>(text); }

}  // namespace

std::string compress(std::string_view text) {
  auto size = compressBound(text.size());
  std::string compressed(size, '\0');
  [[maybe_unused]] const int status =
      ::compress(reinterpret_cast<Bytef*>(compressed.data()), &size, raw(text.data()), text.size());
  assert(status == Z_OK);
  compressed.resize(size);
  return compressed;
}

SigningKey::SigningKey() { crypto_sign_keypair(raw(verify_key_.data()), raw(secret_key_.data())); }

std::string SigningKey::sign(std::string_view message) const {
  std::string result(crypto_sign_BYTES + message.size(), '\0');
  crypto_sign(reinterpret_cast<unsigned char*>(result.data()), nullptr, raw(message.data()),
              message.size(), reinterpret_cast<const unsigned char*>(secret_key_.data()));
  return result;
}

std::string pack(const Content& content) {
  engine::OutputBuffer buffer;
  msgpack::Writer writer{buffer};
  writer.map(static_cast<std::uint32_t>(content.size()));
  for (const auto& [name, write] : content) {
    writer.str(name);
    write(writer);
  }
  return std::string{as_text(buffer.bytes())};
}

}  // namespace parsec::testing_support
