// Random bytes from the operating system's CSPRNG.
//
// Any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace parsec::protocol {

/// Fresh from the kernel: challenges, tokens.
void fill_random(std::span<std::byte> bytes);

/// 32 hexadecimal digits that nobody else has. Drawn from a buffer of the thread, so that an event
/// costs no system call: unique, but not for secrets.
std::string unique_id();

}  // namespace parsec::protocol
