// Base64 (RFC 4648 §4), as notifications and the WebSocket opening use it.
//
// Any thread; pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types.h"

namespace parsec::protocol {

std::string base64_encode(Bytes bytes);

/// nullopt if it is anything but whole, padded base64. Line breaks are skipped: PostgreSQL's
/// encode() and MIME put them every 76 characters.
std::optional<std::vector<std::byte>> base64_decode(std::string_view text);

}  // namespace parsec::protocol
