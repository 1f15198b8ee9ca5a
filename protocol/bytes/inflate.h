// zlib (RFC 1950) inflation with a bound on the result.
//
// The stream and the output belong to the thread and are used again, so that a warm thread
// allocates nothing. Any thread.
#pragma once

#include <cstddef>
#include <optional>

#include "engine/types.h"

namespace parsec::protocol {

/// What `compressed`, one whole zlib stream and nothing behind it, holds; nullopt if it is not
/// that, or more than `max_bytes`. Valid until the thread's next call.
std::optional<Bytes> inflate(Bytes compressed, std::size_t max_bytes);

}  // namespace parsec::protocol
