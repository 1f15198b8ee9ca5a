// Which invitations have a claimer connected, anywhere in the deployment (protocol/5-invite.md),
// and telling the others of those that come and leave on this shard. Shard thread only.
//
// The status is kept in memory, from the events that all servers tell each other. So it is a hint
// for people and decides nothing: what a server that crashed had told stays until the next event of
// that invitation, and what was told while LISTEN was lost is learned with the next one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "db/driver/gateway.h"
#include "engine/handler.h"
#include "protocol/events/claimer_counts.h"
#include "protocol/events/events.h"
#include "protocol/events/notification.h"

namespace parsec::protocol {

class ClaimerPresence {
 public:
  using Told = std::function<void(engine::ConnectionId claimer)>;
  /// Both outlive it; counts are those of the whole server. told: the announcement that join()
  /// spoke of has committed, or failed.
  ClaimerPresence(db::Gateway& database, ClaimerCounts& counts, Told told)
      : database_(database), counts_(counts), told_(std::move(told)) {}
  ~ClaimerPresence();
  ClaimerPresence(const ClaimerPresence&) = delete;
  ClaimerPresence& operator=(const ClaimerPresence&) = delete;

  // --- Claimers of this shard
  /// greeter: user ID. True: READY is being announced for this claimer; told() follows.
  bool join(const InvitationKey& key, std::string_view greeter, engine::ConnectionId claimer);
  void leave(const InvitationKey& key);

  // --- What is known
  /// Every event, before it is handed to the sessions.
  void hear(const Event& event);
  /// IDLE or READY: as clients are told.
  std::string_view status(const InvitationKey& key) const {
    return ready_.contains(key) ? "READY" : "IDLE";
  }

  /// A claimer is connected to another server, as far as is known.
  bool is_ready_elsewhere(const InvitationKey& key) const {
    return ready_.contains(key) && !counts_.contains(key);
  }

  // --- For the service
  /// True: the reply to an announcement, which is taken.
  bool take_reply(db::Request* reply);
  /// Submits what found the ring to the database full.
  void retry();

 private:
  struct UnderWay {
    InvitationKey key;
    std::optional<engine::ConnectionId> claimer;  // who waits for it
  };
  void announce(UnderWay what, const ClaimerCounts::Announcement& announcement);

  db::Gateway& database_;
  ClaimerCounts& counts_;
  const Told told_;
  std::unordered_set<InvitationKey> ready_;
  std::unordered_map<std::uint64_t, UnderWay> under_way_;  // by the tag of the request
  std::uint64_t next_tag_ = 0;
  std::vector<db::Request*> refused_;  // by a full ring
};

/// The notification invite.status_changed.
Notification invite_status_changed(const InvitationKey& key, std::string_view greeter,
                                   std::string_view status);

}  // namespace parsec::protocol
