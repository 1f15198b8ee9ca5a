// Which invitations have a claimer connected, anywhere in the deployment (5-invite.md), and telling
// the others of those that come and leave on this shard. Shard thread only.
//
// The status is kept in memory, from the events that all servers tell each other. So it is a hint
// for people and decides nothing: what a server that crashed had told stays until the next event of
// that invitation, and what was told while LISTEN was lost is learned with the next one.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "db/gateway.h"
#include "protocol/claimer_counts.h"
#include "protocol/events.h"
#include "protocol/notification.h"

namespace parsec::protocol {

class ClaimerPresence {
 public:
  /// Both outlive it; counts are those of the whole server.
  ClaimerPresence(db::Gateway& database, ClaimerCounts& counts)
      : database_(database), counts_(counts) {}
  ~ClaimerPresence();
  ClaimerPresence(const ClaimerPresence&) = delete;
  ClaimerPresence& operator=(const ClaimerPresence&) = delete;

  // --- Claimers of this shard. greeter: user ID.
  void join(const InvitationKey& key, std::string_view greeter);
  void leave(const InvitationKey& key);

  // --- What is known
  /// Every event, before it is handed to the sessions.
  void hear(const Event& event);
  /// IDLE or READY: as clients are told.
  std::string_view status(const InvitationKey& key) const {
    return ready_.contains(key) ? "READY" : "IDLE";
  }

  // --- For the service
  /// True: the reply to an announcement, which is taken.
  bool take_reply(db::Request* reply);
  /// Submits what found the ring to the database full.
  void retry();

 private:
  void announce(InvitationKey key, const ClaimerCounts::Announcement& announcement);

  db::Gateway& database_;
  ClaimerCounts& counts_;
  std::unordered_set<InvitationKey> ready_;
  std::unordered_map<std::uint64_t, InvitationKey> under_way_;  // by the tag of the request
  std::uint64_t next_tag_ = 0;
  std::vector<db::Request*> refused_;  // by a full ring
};

/// The notification invite.status_changed.
Notification invite_status_changed(const InvitationKey& key, std::string_view greeter,
                                   std::string_view status);

}  // namespace parsec::protocol
