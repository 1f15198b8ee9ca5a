// The device certificate of nobody: what a handshake of an unknown device is checked against, so
// that it takes the time of a known one whose signature is wrong, and a stranger's clock tells
// nothing.
#pragma once

#include "engine/types.h"

namespace parsec::protocol {

/// Loads as any stored one does, with a verify key of which no secret key is known any more. Any
/// thread.
Bytes dummy_device_certificate();

}  // namespace parsec::protocol
