// Who on this shard hears what: sessions by organization, user and realm (protocol/6-events.md
// §6.1).
//
// Shard thread only. The router finds the audience of an event; the session decides what the
// event means for it (its own role, its own author, its queue).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/types.h"
#include "protocol/events/audience.h"
#include "protocol/events/events.h"

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
  bool has_sessions_of(std::string_view organization_id) const {
    return organizations_.contains(organization_id);
  }

 private:
  using Sessions = std::vector<Session*>;
  using Members = Audience<Session>;
  /// One map for all organizations, as each map has a price however little it holds, and most
  /// organizations are a connection or two.
  struct Organization {
    Sessions sessions;
    Members loading;
  };
  /// Something of an organization. Pointers to organizations stay valid while they have sessions,
  /// and whatever has an audience has sessions.
  template <typename Value>
  struct Of {
    const Organization* organization;
    Value value;

    template <typename Other>
    friend bool operator==(const Of& left, const Of<Other>& right) {
      return left.organization == right.organization && left.value == right.value;
    }
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
    template <typename Value>
    std::size_t operator()(const Of<Value>& key) const {
      const auto place = reinterpret_cast<std::uintptr_t>(key.organization);
      return std::hash<Value>{}(key.value) ^ (place >> 4) * 0x9E3779B97F4A7C15;
    }
  };
  using Text = Of<std::string_view>;
  using Id = Of<Uuid>;
  using ByText = std::unordered_map<Of<std::string>, Members, Hash, std::equal_to<>>;
  using ById = std::unordered_map<Id, Members, Hash, std::equal_to<>>;

  Organization* find(std::string_view organization_id);
  template <typename Map, typename Key>
  static void remove(Map& map, const Key& key, const Session& session);
  /// Calls act for each session, which may detach itself meanwhile.
  template <typename Act>
  void for_each(std::span<Session* const> audience, Act act);
  /// Hands the event to that audience, if there is one.
  template <typename Map, typename Key>
  void route_to(const Map& map, const Key& key, const EventPointer& event);
  void route_invitation(const EventPointer& event, const InviteStatusChanged& change);
  void route_to_listeners(const Organization& organization, std::string_view subject,
                          const EventPointer& event);

  std::unordered_map<std::string, Organization, Hash, std::equal_to<>> organizations_;
  ByText users_;
  ById realms_;
  ByText subjects_;
  ById claimers_;     // by their invitation's token
  Sessions scratch_;  // the audience being served: its members may change the original
  std::size_t sessions_ = 0;
};

}  // namespace parsec::protocol
