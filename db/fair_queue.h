// Jobs that wait, taken in turn by organization and, within one, by user.
//
// Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996): each organization has a virtual time
// that grows by what its jobs cost, and the one that is behind goes next. Who comes new, or back,
// starts at the virtual time of the job taken last: it has neither saved up nor owes anything. So
// however long one organization's line is, the first job of another goes next; and one whose jobs
// cost ten times as much gets a tenth as many. Users of an organization alternate job by job.
//
// Keeps its memory; nothing is allocated once it has been as long as it gets. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "db/job.h"

namespace parsec::db {

class FairQueue {
 public:
  /// What becomes of the job that is next in turn.
  enum class Verdict : std::uint8_t {
    take,
    skip,  // not now, but others of the organization or after it
    stop,  // nothing any more
  };
  struct Decision {
    Verdict verdict;
    double cost = 0;  // of a job that is taken: in any unit, above 0
  };

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void push_back(const Job& job);
  /// Before the other jobs of its user.
  void push_front(const Job& job);

  /// Shows the jobs in turn; `decide(const Job&) -> Decision`. One that was taken is gone when the
  /// next is shown. What was skipped keeps its place.
  template <class Decide>
  void take(Decide decide);

  /// Takes out all that `matches(const Job&) -> bool`, in any order.
  template <class Matches>
  void extract_if(Matches matches);

  /// Organizations that have something here.
  std::size_t organizations() const { return turns_.size(); }

 private:
  using Index = std::uint32_t;
  static constexpr Index none = UINT32_MAX;
  /// Of one organization so many users at most are asked in a row if each job is skipped.
  static constexpr int most_skipped_users = 32;

  struct Node {
    Job job;
    Index next = none;
  };
  /// Jobs of one user, oldest first.
  struct User {
    FlowKey key;
    Index chain = none;  // in users_by_key_, or the free list
    Index next = none;   // of the same organization
    Index first = none;
    Index last = none;
  };
  struct Organization {
    std::uint64_t key = 0;
    Index chain = none;
    Index first = none;  // user whose turn it is
    Index last = none;
    double virtual_time = 0;
    std::uint64_t since = 0;  // order of equal virtual times
  };

  Node& node_for(const Job& job, Index& index);
  Index user_for(const FlowKey& key);
  Index organization_for(std::uint64_t key);
  void remove_user(Organization& organization, Index user, Index before);
  void remove_organization(Index organization);
  void forget_user(Index user);
  Job pop(Index user);
  void rotate(Organization& organization);
  void rehash();
  bool goes_before(Index a, Index b) const;
  void push_turn(Index organization);
  Index pop_turn();
  void restore_skipped();
  void order_turns();

  std::size_t size_ = 0;
  double now_ = 0;  // virtual
  std::uint64_t arrivals_ = 0;
  std::vector<Node> nodes_;
  std::vector<User> users_;
  std::vector<Organization> organizations_;
  Index free_nodes_ = none;
  Index free_users_ = none;
  Index free_organizations_ = none;
  std::size_t user_count_ = 0;
  std::size_t organization_count_ = 0;
  std::vector<Index> users_by_key_;  // heads of chains, a power of two
  std::vector<Index> organizations_by_key_;
  std::vector<Index> turns_;    // a heap: whose turn comes next is on top
  std::vector<Index> skipped_;  // organizations set aside while jobs are shown
};

template <class Decide>
void FairQueue::take(Decide decide) {
  bool going_on = true;
  while (going_on && !turns_.empty()) {
    const Index index = pop_turn();
    Organization& organization = organizations_[index];
    bool taken = false;
    Index first_asked = none;
    for (int asked = 0; asked < most_skipped_users && !taken && going_on; ++asked) {
      const Index user = organization.first;
      if (user == first_asked) break;
      if (first_asked == none) first_asked = user;
      const Decision decision = decide(nodes_[users_[user].first].job);
      if (decision.verdict == Verdict::stop) {
        going_on = false;
      } else if (decision.verdict == Verdict::skip) {
        rotate(organization);
      } else {
        taken = true;
        now_ = std::max(now_, organization.virtual_time);
        organization.virtual_time += decision.cost;
        pop(user);
        if (users_[user].first == none) {
          remove_user(organization, user, none);
        } else {
          rotate(organization);
        }
      }
    }
    if (organization.first == none) {
      remove_organization(index);
    } else if (taken) {
      push_turn(index);
    } else {
      skipped_.push_back(index);
    }
  }
  restore_skipped();
}

template <class Matches>
void FairQueue::extract_if(Matches matches) {
  for (std::size_t at = 0; at < turns_.size();) {
    const Index index = turns_[at];
    Organization& organization = organizations_[index];
    Index before = none;
    for (Index user = organization.first; user != none;) {
      User& line = users_[user];
      Index* link = &line.first;
      Index last = none;
      while (*link != none) {
        Node& node = nodes_[*link];
        if (!matches(static_cast<const Job&>(node.job))) {
          last = *link;
          link = &node.next;
          continue;
        }
        const Index gone = *link;
        *link = node.next;
        node.next = free_nodes_;
        free_nodes_ = gone;
        --size_;
      }
      line.last = last;
      const Index following = line.next;
      if (line.first == none) {
        remove_user(organization, user, before);
      } else {
        before = user;
      }
      user = following;
    }
    if (organization.first != none) {
      ++at;
    } else {
      remove_organization(index);
      turns_[at] = turns_.back();
      turns_.pop_back();
    }
  }
  order_turns();
}

}  // namespace parsec::db
