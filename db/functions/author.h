// The author of a command, as every stored function of an authenticated connection takes it.
#pragma once

#include <string_view>

namespace parsec::db::functions {

/// Looked up inside the transaction: the functions answer `author_revoked`, `organization_expired`
/// or `author_unknown` before any status of their own.
struct Author {
  std::string_view organization_id;
  std::string_view device_id;
};

}  // namespace parsec::db::functions
