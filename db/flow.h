// Whose work something is: the key by which everything that queues is shared out fairly, between
// organizations first, then between the users of one.
#pragma once

#include <string_view>

#include "db/functions/route.h"
#include "engine/fair_queue.h"

namespace parsec::db {

using engine::FlowKey;

inline FlowKey flow_of(std::string_view organization_id, std::string_view user_id) {
  return {functions::route_of(organization_id), functions::route_of(user_id)};
}

}  // namespace parsec::db
