#include "protocol/session/event_router.h"

#include <cassert>
#include <type_traits>
#include <variant>

#include "protocol/session/session.h"

namespace parsec::protocol {

void EventRouter::attach(Session& session) {
  auto& organization = organizations_[std::string{session.organization_id()}];
  session.router_position = static_cast<std::uint32_t>(organization.sessions.size());
  organization.sessions.push_back(&session);
  if (!session.device_id().empty()) {
    users_[{&organization, std::string{session.user_id()}}].add(session);
  }
  if (const auto& token = session.identity().token) {
    claimers_[{&organization, *token}].add(session);
  }
  ++sessions_;
}

void EventRouter::detach(Session& session) {
  const auto found = organizations_.find(session.organization_id());
  assert(found != organizations_.end());
  auto& organization = found->second;

  auto& last = organization.sessions.back();
  organization.sessions[session.router_position] = last;
  last->router_position = session.router_position;
  organization.sessions.pop_back();
  --sessions_;

  if (!session.device_id().empty()) {
    remove(users_, Text{&organization, session.user_id()}, session);
  }
  if (const auto& token = session.identity().token) {
    remove(claimers_, Id{&organization, *token}, session);
  }
  if (const auto* subscription = session.subscription()) {
    if (subscription->state == Subscription::State::loading) hear_by_membership(session);
    for (const auto& realm_id : subscription->realms) leave(session, realm_id);
  }
  if (session.topic() != nullptr) stop_listening(session);
  if (organization.sessions.empty()) organizations_.erase(found);
}

void EventRouter::hear_everything(Session& session) {
  find(session.organization_id())->loading.add(session);
}

void EventRouter::hear_by_membership(Session& session) {
  find(session.organization_id())->loading.remove(session);
}

void EventRouter::join(Session& session, const Uuid& realm_id) {
  realms_[{find(session.organization_id()), realm_id}].add(session);
}

void EventRouter::leave(Session& session, const Uuid& realm_id) {
  remove(realms_, Id{find(session.organization_id()), realm_id}, session);
}

void EventRouter::listen(Session& session) {
  subjects_[{find(session.organization_id()), session.topic()->subject}].add(session);
}

void EventRouter::stop_listening(Session& session) {
  remove(subjects_, Text{find(session.organization_id()), session.topic()->subject}, session);
}

template <typename Map, typename Key>
void EventRouter::remove(Map& map, const Key& key, const Session& session) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  found->second.remove(session);
  if (found->second.empty()) map.erase(found);
}

void EventRouter::route(const EventPointer& event) {
  auto* organization = find(event->event().organization_id);
  if (organization == nullptr) return;
  for_each(organization->loading.members(),
           [&](Session& session) { session.on_event_while_loading(event); });
  // The audience may end, and with its last session the organization goes.
  const std::string_view id = event->event().organization_id;

  std::visit(
      [&](const auto& content) {
        using Content = std::decay_t<decltype(content)>;
        organization = find(id);
        if (organization == nullptr) return;
        if constexpr (std::is_same_v<Content, Pinged> ||
                      std::is_same_v<Content, OrganizationExpired>) {
          for_each(organization->sessions, [&](Session& session) { session.on_event(event); });
        } else if constexpr (std::is_same_v<Content, MessageReceived>) {
          route_to(users_, Text{organization, content.recipient}, event);
        } else if constexpr (std::is_same_v<Content, InviteStatusChanged>) {
          route_invitation(event, content);
        } else if constexpr (std::is_same_v<Content, InviteConduitUpdated>) {
          route_to_listeners(*organization, token_subject(content.token), event);
        } else if constexpr (std::is_same_v<Content, RealmRolesUpdated>) {
          route_to(users_, Text{organization, content.user}, event);
        } else if constexpr (std::is_same_v<Content, UserRevoked>) {
          route_to(users_, Text{organization, content.user_id}, event);
        } else if constexpr (std::is_same_v<Content, UserCreated>) {
          route_to_listeners(*organization, content.user_id, event);
        } else if constexpr (std::is_same_v<Content, DeviceCreated>) {
          route_to_listeners(*organization, content.device_id, event);
        } else if constexpr (std::is_same_v<Content, Claimed> ||
                             std::is_same_v<Content, InvitationCancelled>) {
          route_to_listeners(*organization, content.invited_id, event);
        } else {
          static_assert(std::is_same_v<Content, RealmVlobsUpdated> ||
                        std::is_same_v<Content, RealmMaintenance>);
          route_to(realms_, Id{organization, content.realm_id}, event);
        }
      },
      event->event().content);
}

void EventRouter::route_gap() {
  Sessions all;
  for (const auto& [id, organization] : organizations_) {
    all.insert(all.end(), organization.sessions.begin(), organization.sessions.end());
  }
  for (auto* session : all) session->on_gap();
}

EventRouter::Organization* EventRouter::find(std::string_view organization_id) {
  const auto found = organizations_.find(organization_id);
  return found == organizations_.end() ? nullptr : &found->second;
}

template <typename Act>
void EventRouter::for_each(std::span<Session* const> audience, Act act) {
  // Ending a session changes the audience; sessions themselves are destroyed in a later turn only.
  assert(scratch_.empty());
  scratch_.assign(audience.begin(), audience.end());
  for (auto* session : scratch_) act(*session);
  scratch_.clear();
}

template <typename Map, typename Key>
void EventRouter::route_to(const Map& map, const Key& key, const EventPointer& event) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  for_each(found->second.members(), [&](Session& session) { session.on_event(event); });
}

void EventRouter::route_invitation(const EventPointer& event, const InviteStatusChanged& change) {
  // Each audience may end, and the organization with it.
  const std::string_view id = event->event().organization_id;
  route_to(users_, Text{find(id), change.greeter}, event);
  if (change.status != "DELETED") return;
  if (const auto* organization = find(id)) {
    route_to(claimers_, Id{organization, change.token}, event);
  }
  if (const auto* organization = find(id)) {
    route_to_listeners(*organization, token_subject(change.token), event);
  }
}

void EventRouter::route_to_listeners(const Organization& organization, std::string_view subject,
                                     const EventPointer& event) {
  const auto listeners = subjects_.find(Text{&organization, subject});
  if (listeners == subjects_.end()) return;
  for_each(listeners->second.members(), [&](Session& session) { session.on_topic_event(event); });
}

}  // namespace parsec::protocol
