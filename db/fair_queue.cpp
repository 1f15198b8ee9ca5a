#include "db/fair_queue.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace parsec::db {
namespace {

constexpr std::size_t least_buckets = 64;

std::size_t hash_of(const FlowKey& key) {
  return key.organization ^ (key.user * 0x9E3779B97F4A7C15 + 1);
}

}  // namespace

// --- Putting in ------------------------------------------------------------------------------

void FairQueue::push_back(const Job& job) {
  User& user = users_[user_for(job.request->flow)];
  Index index = none;
  node_for(job, index).next = none;
  if (user.first == none) {
    user.first = index;
  } else {
    nodes_[user.last].next = index;
  }
  user.last = index;
  ++size_;
}

void FairQueue::push_front(const Job& job) {
  User& user = users_[user_for(job.request->flow)];
  Index index = none;
  node_for(job, index).next = user.first;
  if (user.first == none) user.last = index;
  user.first = index;
  ++size_;
}

FairQueue::Node& FairQueue::node_for(const Job& job, Index& index) {
  if (free_nodes_ == none) {
    index = static_cast<Index>(nodes_.size());
    nodes_.emplace_back();
  } else {
    index = free_nodes_;
    free_nodes_ = nodes_[index].next;
  }
  nodes_[index].job = job;
  return nodes_[index];
}

/// The user's line, empty or not; one that is new is the last of its organization.
FairQueue::Index FairQueue::user_for(const FlowKey& key) {
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

/// One that is new gets its turn among those that are as far as the queue is.
FairQueue::Index FairQueue::organization_for(std::uint64_t key) {
  Index& bucket = organizations_by_key_[key & (organizations_by_key_.size() - 1)];
  for (Index index = bucket; index != none; index = organizations_[index].chain) {
    if (organizations_[index].key == key) return index;
  }
  Index index = free_organizations_;
  if (index == none) {
    index = static_cast<Index>(organizations_.size());
    organizations_.emplace_back();
  } else {
    free_organizations_ = organizations_[index].chain;
  }
  organizations_[index] = {.key = key, .chain = bucket, .virtual_time = now_, .since = arrivals_++};
  bucket = index;
  ++organization_count_;
  push_turn(index);
  return index;
}

/// There are at least as many users as organizations.
void FairQueue::rehash() {
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

Job FairQueue::pop(Index index) {
  User& user = users_[index];
  const Index first = user.first;
  Node& node = nodes_[first];
  user.first = node.next;
  if (user.first == none) user.last = none;
  node.next = free_nodes_;
  free_nodes_ = first;
  --size_;
  return node.job;
}

/// The next user's turn.
void FairQueue::rotate(Organization& organization) {
  const Index user = organization.first;
  if (user == organization.last) return;
  organization.first = users_[user].next;
  users_[user].next = none;
  users_[organization.last].next = user;
  organization.last = user;
}

/// before: the user in front of it; none: it is the first.
void FairQueue::remove_user(Organization& organization, Index user, Index before) {
  const Index following = users_[user].next;
  if (before == none) {
    organization.first = following;
  } else {
    users_[before].next = following;
  }
  if (organization.last == user) organization.last = before;
  forget_user(user);
}

void FairQueue::forget_user(Index user) {
  Index* link = &users_by_key_[hash_of(users_[user].key) & (users_by_key_.size() - 1)];
  while (*link != user) link = &users_[*link].chain;
  *link = users_[user].chain;
  users_[user].chain = std::exchange(free_users_, user);
  --user_count_;
}

void FairQueue::remove_organization(Index index) {
  Organization& organization = organizations_[index];
  Index* link = &organizations_by_key_[organization.key & (organizations_by_key_.size() - 1)];
  while (*link != index) link = &organizations_[*link].chain;
  *link = organization.chain;
  organization.chain = std::exchange(free_organizations_, index);
  --organization_count_;
}

// --- Turns -----------------------------------------------------------------------------------

bool FairQueue::goes_before(Index a, Index b) const {
  const Organization& one = organizations_[a];
  const Organization& other = organizations_[b];
  if (one.virtual_time != other.virtual_time) return one.virtual_time < other.virtual_time;
  return one.since < other.since;
}

void FairQueue::push_turn(Index organization) {
  organizations_[organization].since = arrivals_++;
  turns_.push_back(organization);
  std::ranges::push_heap(turns_, [this](Index a, Index b) { return goes_before(b, a); });
}

FairQueue::Index FairQueue::pop_turn() {
  std::ranges::pop_heap(turns_, [this](Index a, Index b) { return goes_before(b, a); });
  const Index organization = turns_.back();
  turns_.pop_back();
  return organization;
}

/// Those that were set aside come back. They saved nothing up meanwhile.
void FairQueue::restore_skipped() {
  if (skipped_.empty()) return;
  for (const Index index : skipped_) {
    organizations_[index].virtual_time = std::max(organizations_[index].virtual_time, now_);
    turns_.push_back(index);
  }
  skipped_.clear();
  order_turns();
}

void FairQueue::order_turns() {
  std::ranges::make_heap(turns_, [this](Index a, Index b) { return goes_before(b, a); });
}

}  // namespace parsec::db
