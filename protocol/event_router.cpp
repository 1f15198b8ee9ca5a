#include "protocol/event_router.h"

#include <cassert>
#include <type_traits>
#include <variant>

#include "protocol/session.h"

namespace parsec::protocol {

void EventRouter::attach(Session& session) {
  auto& organization = organizations_[std::string{session.organization_id()}];
  session.router_position = static_cast<std::uint32_t>(organization.sessions.size());
  organization.sessions.push_back(&session);
  if (!session.device_id().empty()) {
    organization.users[std::string{session.user_id()}].add(session);
  }
  if (const auto& token = session.identity().token) organization.claimers[*token].add(session);
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
    const auto user = organization.users.find(session.user_id());
    user->second.remove(session);
    if (user->second.empty()) organization.users.erase(user);
  }
  if (const auto& token = session.identity().token) {
    const auto claimers = organization.claimers.find(*token);
    claimers->second.remove(session);
    if (claimers->second.empty()) organization.claimers.erase(claimers);
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
  find(session.organization_id())->realms[realm_id].add(session);
}

void EventRouter::leave(Session& session, const Uuid& realm_id) {
  auto& realms = find(session.organization_id())->realms;
  const auto realm = realms.find(realm_id);
  if (realm == realms.end()) return;
  realm->second.remove(session);
  if (realm->second.empty()) realms.erase(realm);
}

void EventRouter::listen(Session& session) {
  find(session.organization_id())->subjects[session.topic()->subject].add(session);
}

void EventRouter::stop_listening(Session& session) {
  auto& subjects = find(session.organization_id())->subjects;
  const auto subject = subjects.find(session.topic()->subject);
  subject->second.remove(session);
  if (subject->second.empty()) subjects.erase(subject);
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
          route_to_users(*organization, content.recipient, event);
        } else if constexpr (std::is_same_v<Content, InviteStatusChanged>) {
          route_invitation(event, content);
        } else if constexpr (std::is_same_v<Content, InviteConduitUpdated>) {
          route_to_listeners(*organization, token_subject(content.token), event);
        } else if constexpr (std::is_same_v<Content, RealmRolesUpdated>) {
          route_to_users(*organization, content.user, event);
        } else if constexpr (std::is_same_v<Content, UserRevoked>) {
          route_to_users(*organization, content.user_id, event);
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
          route_to_members(*organization, content.realm_id, event);
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
void EventRouter::for_each(const Sessions& audience, Act act) {
  // Ending a session changes the audience; sessions themselves are destroyed in a later turn only.
  assert(scratch_.empty());
  scratch_ = audience;
  for (auto* session : scratch_) act(*session);
  scratch_.clear();
}

void EventRouter::route_to_users(Organization& organization, std::string_view user_id,
                                 const EventPointer& event) {
  const auto user = organization.users.find(user_id);
  if (user == organization.users.end()) return;
  for_each(user->second.members(), [&](Session& session) { session.on_event(event); });
}

void EventRouter::route_to_members(Organization& organization, const Uuid& realm_id,
                                   const EventPointer& event) {
  const auto realm = organization.realms.find(realm_id);
  if (realm == organization.realms.end()) return;
  for_each(realm->second.members(), [&](Session& session) { session.on_event(event); });
}

void EventRouter::route_invitation(const EventPointer& event, const InviteStatusChanged& change) {
  // Each audience may end, and the organization with it.
  const std::string_view id = event->event().organization_id;
  route_to_users(*find(id), change.greeter, event);
  if (change.status != "DELETED") return;
  if (auto* organization = find(id)) {
    const auto claimers = organization->claimers.find(change.token);
    if (claimers != organization->claimers.end()) {
      for_each(claimers->second.members(), [&](Session& session) { session.on_event(event); });
    }
  }
  if (auto* organization = find(id)) {
    route_to_listeners(*organization, token_subject(change.token), event);
  }
}

void EventRouter::route_to_listeners(Organization& organization, std::string_view subject,
                                     const EventPointer& event) {
  const auto listeners = organization.subjects.find(subject);
  if (listeners == organization.subjects.end()) return;
  for_each(listeners->second.members(), [&](Session& session) { session.on_news(event); });
}

}  // namespace parsec::protocol
