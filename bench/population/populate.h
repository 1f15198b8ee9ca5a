// Makes a population on a server, through the protocol alone: organizations by the administration
// token, and what is in them by their own devices. What is there already (of an earlier run) stays.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "bench/population/population.h"
#include "protocol/types/address.h"

namespace parsec::bench {

struct PopulateOptions {
  std::string administration_token;
  std::uint32_t blob_bytes = 500;  // of the first version of each vlob
  std::uint32_t threads = 16;      // organizations at once
};

/// done, all: steps, a request each. Called by one thread at a time, often.
using PopulateProgress = std::function<void(std::uint64_t done, std::uint64_t all)>;

/// Blocks. The error is a sentence for the user.
std::expected<void, std::string> populate(const protocol::BackendAddress& address,
                                          const Population& population,
                                          const PopulateOptions& options,
                                          const PopulateProgress& progress);

}  // namespace parsec::bench
