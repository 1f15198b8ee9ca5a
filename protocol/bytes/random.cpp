#include "protocol/bytes/random.h"

#include <sodium.h>

#include <array>
#include <cstdlib>

namespace parsec::protocol {
namespace {

/// sodium_init() is idempotent and thread-safe; it opens the source of randomness.
void require_sodium() {
  static const bool ready = sodium_init() >= 0;
  if (!ready) std::abort();
}

}  // namespace

void fill_random(std::span<std::byte> bytes) {
  require_sodium();
  randombytes_buf(bytes.data(), bytes.size());
}

std::string unique_id() {
  constexpr std::size_t id_bytes = 16;
  static thread_local std::array<std::byte, 256 * id_bytes> pool;
  static thread_local std::size_t used = pool.size();
  if (used == pool.size()) {
    fill_random(pool);
    used = 0;
  }
  std::string id(2 * id_bytes + 1, '\0');
  sodium_bin2hex(id.data(), id.size(), reinterpret_cast<const unsigned char*>(&pool[used]),
                 id_bytes);
  used += id_bytes;
  id.pop_back();
  return id;
}

}  // namespace parsec::protocol
