// Whose work something is: the key by which everything that queues is shared out fairly, between
// organizations first, then between the users of one.
#pragma once

#include <cstdint>
#include <string_view>

#include "db/functions/route.h"

namespace parsec::db {

/// Hashes, equal for equal names in every shard. 0: nobody's in particular, a flow like any other.
struct FlowKey {
  std::uint64_t organization = 0;
  std::uint64_t user = 0;

  bool operator==(const FlowKey&) const = default;
};

inline FlowKey flow_of(std::string_view organization_id, std::string_view user_id) {
  return {functions::route_of(organization_id), functions::route_of(user_id)};
}

}  // namespace parsec::db
