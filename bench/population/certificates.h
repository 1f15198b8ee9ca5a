// Certificates as clients make them (protocol/3-types.md §3.3): signature ‖ zlib(msgpack(map)).
//
// Any thread; pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "bench/population/population.h"
#include "engine/types.h"

namespace parsec::bench {

using Octets = std::vector<std::byte>;

/// Who signs: a device, or the organization's root key (id: nullopt).
struct Author {
  std::optional<std::string_view> id;
  const SigningKey& key;
};

/// human_email: of a user with a human handle, whose label is its user ID; nullopt: none, as in a
/// redacted certificate.
Octets user_certificate(const Author& author, DateTime timestamp, std::string_view user_id,
                        std::string_view profile, std::optional<std::string_view> human_email);
/// label: nullopt in a redacted certificate.
Octets device_certificate(const Author& author, DateTime timestamp, std::string_view device_id,
                          std::optional<std::string_view> label,
                          const protocol::VerifyKey& verify_key);
Octets role_certificate(const Author& author, DateTime timestamp, const Uuid& realm_id,
                        std::string_view user_id, std::string_view role);

/// libsodium's combined mode: signature ‖ message.
Octets sign(const SigningKey& key, Bytes message);

DateTime now();

}  // namespace parsec::bench
