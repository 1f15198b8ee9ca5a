// Comparing secrets without telling how much of them was right.
#pragma once

#include <string_view>

namespace parsec::protocol {

/// In constant time, whatever the lengths: a digest of each is compared.
bool same_secret(std::string_view left, std::string_view right);

}  // namespace parsec::protocol
