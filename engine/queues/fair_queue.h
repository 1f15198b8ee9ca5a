// Items that wait, taken in turn by organization and, within one, by user; fair_order.h says whose
// turn it is. However long one organization's line is, the first item of another goes next; and one
// whose items cost ten times as much gets a tenth as many.
//
// Keeps its memory; nothing is allocated once it has been as long as it gets. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/queues/fair_order.h"

namespace parsec::engine {

/// Item: can be made from nothing, and moved.
template <class Item>
class FairQueue : public FairOrder {
 public:
  /// What becomes of the item that is next in turn.
  enum class Verdict : std::uint8_t {
    take,
    skip,  // not now, but others of the organization or after it
    stop,  // nothing any more
  };
  struct Decision {
    Verdict verdict;
    double cost = 0;  // of an item that is taken: in any unit, above 0
  };

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void push_back(const FlowKey& flow, Item item);
  /// Before the other items of its user.
  void push_front(const FlowKey& flow, Item item);

  /// Shows the items in turn; `decide(Item&) -> Decision` moves out of what it takes. One that was
  /// taken is gone when the next is shown. What was skipped keeps its place.
  template <class Decide>
  void take(Decide decide);

  /// Takes out all that `matches(Item&) -> bool`, in any order.
  template <class Matches>
  void extract_if(Matches matches);

 private:
  /// Of one organization so many users at most are asked in a row if each item is skipped.
  static constexpr int most_skipped_users = 32;

  struct Node {
    Item item;
    Index next = none;
  };
  Index node_for(Item item);
  void release(Index node);
  void pop(Index user);

  std::size_t size_ = 0;
  std::vector<Node> nodes_;
  Index free_nodes_ = none;
};

template <class Item>
void FairQueue<Item>::push_back(const FlowKey& flow, Item item) {
  User& user = users_[user_for(flow)];
  const Index index = node_for(std::move(item));
  if (user.first == none) {
    user.first = index;
  } else {
    nodes_[user.last].next = index;
  }
  user.last = index;
  ++size_;
}

template <class Item>
void FairQueue<Item>::push_front(const FlowKey& flow, Item item) {
  User& user = users_[user_for(flow)];
  const Index index = node_for(std::move(item));
  nodes_[index].next = user.first;
  if (user.first == none) user.last = index;
  user.first = index;
  ++size_;
}

template <class Item>
typename FairQueue<Item>::Index FairQueue<Item>::node_for(Item item) {
  Index index = free_nodes_;
  if (index == none) {
    index = static_cast<Index>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_nodes_ = nodes_[index].next;
  }
  nodes_[index] = {.item = std::move(item), .next = none};
  return index;
}

/// It is in no line any more.
template <class Item>
void FairQueue<Item>::release(Index index) {
  nodes_[index] = {.item = Item{}, .next = std::exchange(free_nodes_, index)};
  --size_;
}

template <class Item>
void FairQueue<Item>::pop(Index index) {
  User& user = users_[index];
  const Index first = user.first;
  user.first = nodes_[first].next;
  if (user.first == none) user.last = none;
  release(first);
}

template <class Item>
template <class Decide>
void FairQueue<Item>::take(Decide decide) {
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
      const Decision decision = decide(nodes_[users_[user].first].item);
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

template <class Item>
template <class Matches>
void FairQueue<Item>::extract_if(Matches matches) {
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
        if (!matches(node.item)) {
          last = *link;
          link = &node.next;
          continue;
        }
        const Index gone = *link;
        *link = node.next;
        release(gone);
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

}  // namespace parsec::engine
