// Who on this shard hears what: sessions by organization, user and realm (6-events.md §6.1).
//
// Shard thread only. The router finds the audience of an event; the session decides what the
// event means for it (its own role, its own author, its queue).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "db/types.h"
#include "protocol/audience.h"
#include "protocol/events.h"

namespace parsec::protocol {

class Session;

class EventRouter {
 public:
  /// From now on the session is ended with its user or organization. Organization and device come
  /// from session.identity(), and must not change until detach().
  void attach(Session& session);
  void detach(Session& session);

  /// The session hears every event of its organization (while its subscription is loading).
  void hear_everything(Session& session);
  void hear_by_membership(Session& session);

  /// Membership of a subscribed session.
  void join(Session& session, const Uuid& realm_id);
  void leave(Session& session, const Uuid& realm_id);

  /// The session hears what comes about its topic(), until then.
  void listen(Session& session);
  void stop_listening(Session& session);

  /// Hands the event to its audience.
  void route(const EventPointer& event);

  /// Events may have been missed: tells every session.
  void route_gap();

  std::size_t sessions() const { return sessions_; }

 private:
  using Sessions = std::vector<Session*>;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Organization {
    Sessions sessions;
    Audience<Session> loading;
    std::unordered_map<std::string, Audience<Session>, Hash, std::equal_to<>> users;
    std::unordered_map<Uuid, Audience<Session>> realms;
    std::unordered_map<std::string, Audience<Session>, Hash, std::equal_to<>> subjects;
    std::unordered_map<Uuid, Audience<Session>> claimers;  // by their invitation's token
  };
  using Organizations = std::unordered_map<std::string, Organization, Hash, std::equal_to<>>;

  Organization* find(std::string_view organization_id);
  /// Calls act for each session, which may detach itself meanwhile.
  template <typename Act>
  void for_each(const Sessions& audience, Act act);

  void route_to_users(Organization& organization, std::string_view user_id,
                      const EventPointer& event);
  void route_to_members(Organization& organization, const Uuid& realm_id,
                        const EventPointer& event);

  void route_invitation(const EventPointer& event, const InviteStatusChanged& change);
  void route_to_listeners(Organization& organization, std::string_view subject,
                          const EventPointer& event);

  Organizations organizations_;
  Sessions scratch_;  // the audience being served: its members may change the original
  std::size_t sessions_ = 0;
};

}  // namespace parsec::protocol
