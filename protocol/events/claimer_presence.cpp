#include "protocol/events/claimer_presence.h"

#include <utility>
#include <variant>

#include "db/functions/invite.h"
#include "db/functions/route.h"
#include "engine/host/log.h"

namespace parsec::protocol {

ClaimerPresence::~ClaimerPresence() {
  for (auto* request : refused_) database_.release(request);
}

bool ClaimerPresence::join(const InvitationKey& key, std::string_view greeter,
                           engine::ConnectionId claimer) {
  const auto announcement = counts_.join(key, greeter);
  if (announcement) announce({key, claimer}, *announcement);
  return announcement.has_value();
}

void ClaimerPresence::leave(const InvitationKey& key) {
  if (const auto announcement = counts_.leave(key)) announce({key, {}}, *announcement);
}

void ClaimerPresence::hear(const Event& event) {
  const auto* change = std::get_if<InviteStatusChanged>(&event.content);
  if (change == nullptr) return;
  InvitationKey key{event.organization_id, change->token};
  if (change->status == "READY") {
    ready_.insert(std::move(key));
  } else {
    ready_.erase(key);
  }
}

void ClaimerPresence::announce(UnderWay what, const ClaimerCounts::Announcement& announcement) {
  const InvitationKey& key = what.key;
  const bool is_ready = announcement.status == ClaimerCounts::Status::ready;
  const auto notification =
      invite_status_changed(key, announcement.greeter, is_ready ? "READY" : "IDLE");
  auto* request = database_.acquire();
  request->tag = next_tag_++;
  request->flow = db::functions::flow_of(key.organization_id, announcement.greeter);
  db::functions::claimer_announce(*request, key.organization_id, key.token, notification.bytes());
  under_way_.emplace(request->tag, std::move(what));
  if (!database_.submit(request)) refused_.push_back(request);
}

bool ClaimerPresence::take_reply(db::Request* reply) {
  if (reply->function != &db::functions::claimer_announce_function) return false;
  auto [key, claimer] = std::move(under_way_.extract(reply->tag).mapped());
  const auto outcome = reply->outcome;
  database_.release(reply);
  if (outcome == db::Outcome::failed) {
    log::error("The database refused an invitation's status");
  }
  const bool again = outcome == db::Outcome::unavailable || outcome == db::Outcome::unknown;
  const auto next = counts_.announced(key, again);
  if (next) announce({std::move(key), {}}, *next);
  if (claimer) told_(*claimer);
  return true;
}

void ClaimerPresence::retry() {
  for (auto* request : std::exchange(refused_, {})) {
    if (!database_.submit(request)) refused_.push_back(request);
  }
}

Notification invite_status_changed(const InvitationKey& key, std::string_view greeter,
                                   std::string_view status) {
  Notification notification("invite.status_changed", 4);
  notification.key("organization_id").str(key.organization_id);
  notification.key("greeter").str(greeter);
  notification.key("token").uuid(key.token);
  notification.key("status_str").str(status);
  return notification;
}

}  // namespace parsec::protocol
