// A session in the server's database that holds a realm's row, as psql, a backup or another server
// may. One thread; blocking.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bench/driver.h"
#include "engine/types.h"

namespace parsec::bench {

/// A driver during whose measurements that row is held. The driver outlives it. The error is a
/// sentence for the user, without the URL's password.
std::expected<std::unique_ptr<Driver>, std::string> holding_realm(const std::string& database_url,
                                                                  const Uuid& realm_id,
                                                                  Driver& driver);

}  // namespace parsec::bench
