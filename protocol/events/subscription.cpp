#include "protocol/events/subscription.h"

#include <algorithm>

namespace parsec::protocol {

EventPointer EventQueue::pop() {
  auto event = std::move(events_[first_++]);
  if (empty()) {
    events_ = std::vector<EventPointer>{};  // `= {}` would keep the memory
    first_ = 0;
  } else if (first_ >= 64 && first_ * 2 >= events_.size()) {
    events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  return event;
}

bool Subscription::is_member(const Uuid& realm_id) const {
  return std::binary_search(realms.begin(), realms.end(), realm_id);
}

bool Subscription::add(const Uuid& realm_id) {
  const auto place = std::lower_bound(realms.begin(), realms.end(), realm_id);
  if (place != realms.end() && *place == realm_id) return false;
  realms.insert(place, realm_id);
  return true;
}

bool Subscription::remove(const Uuid& realm_id) {
  const auto place = std::lower_bound(realms.begin(), realms.end(), realm_id);
  if (place == realms.end() || *place != realm_id) return false;
  realms.erase(place);
  return true;
}

}  // namespace parsec::protocol
