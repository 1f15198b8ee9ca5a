#include "protocol/events/claimer_counts.h"

#include <cassert>
#include <utility>

namespace parsec::protocol {

std::optional<ClaimerCounts::Announcement> ClaimerCounts::join(const InvitationKey& key,
                                                               std::string_view greeter) {
  const std::lock_guard lock{mutex_};
  auto& entry = entries_[key];
  if (entry.greeter.empty()) entry.greeter = greeter;
  ++entry.claimers;
  return announce(entry, Status::ready);
}

std::optional<ClaimerCounts::Announcement> ClaimerCounts::leave(const InvitationKey& key) {
  const std::lock_guard lock{mutex_};
  auto& entry = entries_.at(key);
  assert(entry.claimers > 0);
  if (--entry.claimers > 0) return std::nullopt;
  return announce(entry, Status::idle);
}

std::optional<ClaimerCounts::Announcement> ClaimerCounts::announced(const InvitationKey& key,
                                                                    bool again) {
  const std::lock_guard lock{mutex_};
  const auto found = entries_.find(key);
  assert(found != entries_.end() && found->second.announcing);
  auto& entry = found->second;
  if (again && !entry.next) entry.next = entry.claimers > 0 ? Status::ready : Status::idle;
  if (entry.next) return Announcement{*std::exchange(entry.next, std::nullopt), entry.greeter};
  entry.announcing = false;
  if (entry.claimers == 0) entries_.erase(found);
  return std::nullopt;
}

std::optional<ClaimerCounts::Announcement> ClaimerCounts::announce(Entry& entry, Status status) {
  if (std::exchange(entry.announcing, true)) {
    entry.next = status;
    return std::nullopt;
  }
  return Announcement{status, entry.greeter};
}

bool ClaimerCounts::contains(const InvitationKey& key) const {
  const std::lock_guard lock{mutex_};
  return entries_.contains(key);
}

std::size_t ClaimerCounts::size() const {
  const std::lock_guard lock{mutex_};
  return entries_.size();
}

}  // namespace parsec::protocol
