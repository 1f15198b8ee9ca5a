// Whose turn it is: the part of a FairQueue (fair_queue.h) that does not know what waits.
//
// Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996): each organization has a virtual time
// that grows by what its items cost, and the one that is behind goes next. Who comes new, or back,
// starts at the virtual time of the item taken last: it has neither saved up nor owes anything.
// Users of an organization alternate item by item.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace parsec::engine {

/// Whose something is, as hashes: equal for equal names in every shard. 0: nobody's in particular,
/// a flow like any other.
struct FlowKey {
  std::uint64_t organization = 0;
  std::uint64_t user = 0;

  bool operator==(const FlowKey&) const = default;
};

class FairOrder {
 public:
  /// What the organization took has cost so much more, or less, than was said then. Forgotten if
  /// nothing of it waits: who comes back owes nothing.
  void charge(std::uint64_t organization, double cost);

  /// Organizations that have something here.
  std::size_t organizations() const { return turns_.size(); }

 protected:
  using Index = std::uint32_t;
  static constexpr Index none = UINT32_MAX;

  /// Whose items are a chain that the queue keeps, oldest first.
  struct User {
    FlowKey key;
    Index chain = none;  // in users_by_key_, or the free list
    Index next = none;   // of the same organization
    Index first = none;  // item
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

  FairOrder() = default;
  ~FairOrder() = default;

  Index user_for(const FlowKey& key);
  void remove_user(Organization& organization, Index user, Index before);
  void remove_organization(Index organization);
  void rotate(Organization& organization);
  void push_turn(Index organization);
  Index pop_turn();
  void restore_skipped();
  void order_turns();

  double now_ = 0;  // virtual
  std::vector<User> users_;
  std::vector<Organization> organizations_;
  std::vector<Index> turns_;    // a heap: whose turn comes next is on top
  std::vector<Index> skipped_;  // organizations set aside while items are shown

 private:
  static std::size_t hash_of(const FlowKey& key) {
    return key.organization ^ (key.user * 0x9E3779B97F4A7C15 + 1);
  }
  Index find_organization(std::uint64_t key) const;
  Index organization_for(std::uint64_t key);
  void forget_user(Index user);
  void rehash();
  bool goes_before(Index a, Index b) const;

  std::uint64_t arrivals_ = 0;
  Index free_users_ = none;
  Index free_organizations_ = none;
  std::size_t user_count_ = 0;
  std::size_t organization_count_ = 0;
  std::vector<Index> users_by_key_;  // heads of chains, a power of two
  std::vector<Index> organizations_by_key_;
};

}  // namespace parsec::engine
