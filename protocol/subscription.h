// What a session has subscribed to: its realms and the events that wait for events_listen
// (6-events.md §6.1).
//
// Between the request and its `ok` the subscription is loading: the router shows it every event of
// the organization, and they are kept until both the list of realms and the fence are there. What
// came before the fence had committed before the request: it changes the membership (which may
// have been read before that) and is not delivered.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "db/types.h"
#include "protocol/events.h"

namespace parsec::protocol {

struct Subscription {
  enum class State : std::uint8_t { loading, active };
  State state = State::loading;
  bool fenced = false;
  std::vector<EventPointer> heard_while_loading;
  std::size_t heard_before_fence = 0;  // of those

  std::vector<Uuid> realms;  // sorted
  std::deque<EventPointer> waiting;

  bool is_member(const Uuid& realm_id) const;
  /// True if that changed something.
  bool add(const Uuid& realm_id);
  bool remove(const Uuid& realm_id);
};

}  // namespace parsec::protocol
