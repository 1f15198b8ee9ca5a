#include "engine/queues/fair_order.h"

#include <algorithm>
#include <utility>

namespace parsec::engine {

namespace {

constexpr std::size_t least_buckets = 64;

}  // namespace

// --- Putting in ------------------------------------------------------------------------------

/// The user's line, empty or not; one that is new is the last of its organization.
FairOrder::Index FairOrder::user_for(const FlowKey& key) {
  if (user_count_ >= users_by_key_.size()) rehash();
  Index& bucket = users_by_key_[hash_of(key) & (users_by_key_.size() - 1)];
  for (Index index = bucket; index != none; index = users_[index].chain) {
    if (users_[index].key == key) return index;
  }
  Index index = free_users_;
  if (index == none) {
    index = static_cast<Index>(users_.size());
    users_.emplace_back();
  } else {
    free_users_ = users_[index].chain;
  }
  users_[index] = {.key = key, .chain = bucket};
  bucket = index;
  ++user_count_;

  Organization& organization = organizations_[organization_for(key.organization)];
  if (organization.first == none) {
    organization.first = index;
  } else {
    users_[organization.last].next = index;
  }
  organization.last = index;
  return index;
}

FairOrder::Index FairOrder::find_organization(std::uint64_t key) const {
  if (organizations_by_key_.empty()) return none;
  Index index = organizations_by_key_[key & (organizations_by_key_.size() - 1)];
  while (index != none && organizations_[index].key != key) index = organizations_[index].chain;
  return index;
}

/// One that is new gets its turn among those that are as far as the queue is.
FairOrder::Index FairOrder::organization_for(std::uint64_t key) {
  if (const Index known = find_organization(key); known != none) return known;
  Index index = free_organizations_;
  if (index == none) {
    index = static_cast<Index>(organizations_.size());
    organizations_.emplace_back();
  } else {
    free_organizations_ = organizations_[index].chain;
  }
  Index& bucket = organizations_by_key_[key & (organizations_by_key_.size() - 1)];
  organizations_[index] = {.key = key, .chain = bucket, .virtual_time = now_, .since = arrivals_++};
  bucket = index;
  ++organization_count_;
  push_turn(index);
  return index;
}

/// There are at least as many users as organizations.
void FairOrder::rehash() {
  const std::size_t buckets = std::max(least_buckets, users_by_key_.size() * 2);
  std::vector<Index> users(buckets, none);
  for (const Index head : users_by_key_) {
    for (Index index = head; index != none;) {
      const Index following = users_[index].chain;
      Index& bucket = users[hash_of(users_[index].key) & (buckets - 1)];
      users_[index].chain = std::exchange(bucket, index);
      index = following;
    }
  }
  users_by_key_ = std::move(users);
  std::vector<Index> organizations(buckets, none);
  for (const Index head : organizations_by_key_) {
    for (Index index = head; index != none;) {
      const Index following = organizations_[index].chain;
      Index& bucket = organizations[organizations_[index].key & (buckets - 1)];
      organizations_[index].chain = std::exchange(bucket, index);
      index = following;
    }
  }
  organizations_by_key_ = std::move(organizations);
}

// --- Taking out ------------------------------------------------------------------------------

/// The next user's turn.
void FairOrder::rotate(Organization& organization) {
  const Index user = organization.first;
  if (user == organization.last) return;
  organization.first = users_[user].next;
  users_[user].next = none;
  users_[organization.last].next = user;
  organization.last = user;
}

/// before: the user in front of it; none: it is the first.
void FairOrder::remove_user(Organization& organization, Index user, Index before) {
  const Index following = users_[user].next;
  if (before == none) {
    organization.first = following;
  } else {
    users_[before].next = following;
  }
  if (organization.last == user) organization.last = before;
  forget_user(user);
}

void FairOrder::forget_user(Index user) {
  Index* link = &users_by_key_[hash_of(users_[user].key) & (users_by_key_.size() - 1)];
  while (*link != user) link = &users_[*link].chain;
  *link = users_[user].chain;
  users_[user].chain = std::exchange(free_users_, user);
  --user_count_;
}

void FairOrder::remove_organization(Index index) {
  Organization& organization = organizations_[index];
  Index* link = &organizations_by_key_[organization.key & (organizations_by_key_.size() - 1)];
  while (*link != index) link = &organizations_[*link].chain;
  *link = organization.chain;
  organization.chain = std::exchange(free_organizations_, index);
  --organization_count_;
}

// --- Turns -----------------------------------------------------------------------------------

bool FairOrder::goes_before(Index a, Index b) const {
  const Organization& one = organizations_[a];
  const Organization& other = organizations_[b];
  if (one.virtual_time != other.virtual_time) return one.virtual_time < other.virtual_time;
  return one.since < other.since;
}

void FairOrder::push_turn(Index organization) {
  organizations_[organization].since = arrivals_++;
  turns_.push_back(organization);
  std::ranges::push_heap(turns_, [this](Index a, Index b) { return goes_before(b, a); });
}

FairOrder::Index FairOrder::pop_turn() {
  std::ranges::pop_heap(turns_, [this](Index a, Index b) { return goes_before(b, a); });
  const Index organization = turns_.back();
  turns_.pop_back();
  return organization;
}

void FairOrder::charge(std::uint64_t organization, double cost) {
  const Index index = find_organization(organization);
  if (index == none) return;
  organizations_[index].virtual_time += cost;
  order_turns();
}

/// Those that were set aside come back. They saved nothing up meanwhile.
void FairOrder::restore_skipped() {
  if (skipped_.empty()) return;
  for (const Index index : skipped_) {
    organizations_[index].virtual_time = std::max(organizations_[index].virtual_time, now_);
    turns_.push_back(index);
  }
  skipped_.clear();
  order_turns();
}

void FairOrder::order_turns() {
  std::ranges::make_heap(turns_, [this](Index a, Index b) { return goes_before(b, a); });
}

}  // namespace parsec::engine
