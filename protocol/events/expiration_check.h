// Whether an organization of which organization.expired is told is expired still.
//
// The notification may arrive after the administrator has renewed the organization and its members
// have logged in again: whoever says it (a server that refused a handshake, above all) read the
// database before that. So each shard that has connections of the organization asks the database
// once, and ends them if the answer is yes, or if there is none. Shard thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "db/driver/gateway.h"
#include "protocol/events/event_bus.h"

namespace parsec::protocol {

class ExpirationCheck {
 public:
  using Confirmed = std::function<void(const EventPointer& event)>;
  /// database outlives it.
  ExpirationCheck(db::Gateway& database, Confirmed confirmed)
      : database_(database), confirmed_(std::move(confirmed)) {}
  ~ExpirationCheck();
  ExpirationCheck(const ExpirationCheck&) = delete;
  ExpirationCheck& operator=(const ExpirationCheck&) = delete;

  /// An organization.expired: confirmed() follows, unless the organization was renewed.
  void start(EventPointer event);

  // --- For the service
  /// True: the reply to a check, which is taken.
  bool take_reply(db::Request* reply);
  /// Submits what found the ring to the database full.
  void retry();

 private:
  db::Gateway& database_;
  const Confirmed confirmed_;
  std::unordered_map<std::uint64_t, EventPointer> under_way_;  // by the tag of the request
  std::uint64_t next_tag_ = 0;
  std::vector<db::Request*> refused_;  // by a full ring
};

}  // namespace parsec::protocol
