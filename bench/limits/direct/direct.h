// What PostgreSQL and libpq allow: the stored functions of commands, called straight over
// pipelines, by clients that each have one call under way, as those of parsec-bench have. No
// sockets of clients, no protocol, no server.
//
// A connection sends a call for each of its clients, up to a batch, and one Sync: one transaction,
// one commit, as the server's lanes do. Clients are dealt out to connections by what their writes
// lock, so that no connection waits for another's lock. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>

#include "bench/load/scenario.h"
#include "bench/population/population.h"

namespace parsec::bench {

struct DirectOptions {
  std::string database_url;
  Population population;  // is there
  Command command = Command::vlob_read;
  std::uint32_t bytes = 500;  // of blobs
  std::uint32_t clients = 64;
  std::uint32_t connections = 6;
  std::uint32_t batch = 64;
  std::chrono::milliseconds warm_up{500};
  std::chrono::milliseconds duration{2000};
};

struct DirectResult {
  std::uint64_t completed = 0;
  double seconds = 0;
  double batch = 0;  // calls for each Sync, mean
};

/// Can `command` be called so.
bool is_direct(Command command);

/// The error is a sentence for the user: among others, a call that was not answered `ok`.
std::expected<DirectResult, std::string> run_direct(const DirectOptions& options);

}  // namespace parsec::bench
