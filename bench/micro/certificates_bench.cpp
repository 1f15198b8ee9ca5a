// Certificates: the signature, and what reading the content adds to it.
#include <benchmark/benchmark.h>
#include <sodium.h>
#include <zlib.h>

#include <array>
#include <string>

#include "protocol/msgpack/msgpack_writer.h"
#include "protocol/types/certificates.h"

namespace parsec::protocol {
namespace {

/// A user certificate by alice@dev1 and the key it verifies with.
struct Signed {
  VerifyKey key{};
  std::string certificate;
};

Signed user_certificate() {
  engine::OutputBuffer content;
  msgpack::Writer writer{content};
  const std::string key(32, 'k');
  writer.map(8);
  writer.str("type"), writer.str("user_certificate");
  writer.str("author"), writer.str("alice@dev1");
  writer.str("timestamp"), writer.datetime({1'600'000'000'123456});
  writer.str("user_id"), writer.str("zoe");
  writer.str("human_handle"), writer.array(2), writer.str("zoe@b.c"), writer.str("Zoe Doe");
  writer.str("public_key"), writer.bin(as_bytes(key));
  writer.str("is_admin"), writer.boolean(false);
  writer.str("profile"), writer.str("STANDARD");

  auto size = compressBound(content.size());
  std::string compressed(size, '\0');
  compress(reinterpret_cast<Bytef*>(compressed.data()), &size,
           reinterpret_cast<const Bytef*>(content.data()), content.size());
  compressed.resize(size);

  Signed result;
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret_key{};
  crypto_sign_keypair(reinterpret_cast<unsigned char*>(result.key.data()), secret_key.data());
  result.certificate.resize(crypto_sign_BYTES + compressed.size());
  crypto_sign(reinterpret_cast<unsigned char*>(result.certificate.data()), nullptr,
              reinterpret_cast<const unsigned char*>(compressed.data()), compressed.size(),
              secret_key.data());
  return result;
}

void VerifySignature(benchmark::State& state) {
  const auto made = user_certificate();
  for (auto _ : state) {
    benchmark::DoNotOptimize(verify_signed(as_bytes(made.certificate), made.key));
  }
}
BENCHMARK(VerifySignature);

void LoadContent(benchmark::State& state) {
  const auto made = user_certificate();
  for (auto _ : state) {
    benchmark::DoNotOptimize(unverified_load<UserCertificate>(as_bytes(made.certificate)));
  }
}
BENCHMARK(LoadContent);

void VerifyAndLoad(benchmark::State& state) {
  const auto made = user_certificate();
  for (auto _ : state) {
    const auto loaded =
        verify_and_load<UserCertificate>(as_bytes(made.certificate), made.key, "alice@dev1");
    if (!loaded) state.SkipWithError("the certificate was refused");
  }
}
BENCHMARK(VerifyAndLoad);

}  // namespace
}  // namespace parsec::protocol
