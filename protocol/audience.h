// Who hears an event: members that come and go in any order, each at a cost that does not depend on
// how many there are (all connections of a realm may end at once). Shard thread only.
//
// Most audiences are a user's few devices: those are a list that is searched. One that grows beyond
// that also knows where each member stands.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace parsec::protocol {

template <typename Member>
class Audience {
 public:
  bool empty() const { return members_.empty(); }
  std::size_t size() const { return members_.size(); }
  /// In no particular order; the same after the same calls.
  const std::vector<Member*>& members() const { return members_; }

  /// Not one that is there.
  void add(Member& member) {
    if (members_.size() == searched_members) {
      for (std::uint32_t i = 0; i < searched_members; ++i) places_[members_[i]] = i;
    }
    if (members_.size() >= searched_members) {
      const auto place = static_cast<std::uint32_t>(members_.size());
      const bool is_new = places_.emplace(&member, place).second;
      assert(is_new);
      static_cast<void>(is_new);
    }
    members_.push_back(&member);
  }

  /// One that is not there is no matter.
  void remove(const Member& member) {
    const std::size_t place = place_of(member);
    if (place == members_.size()) return;
    Member* const last = members_.back();
    members_[place] = last;
    members_.pop_back();
    if (places_.empty()) return;
    if (members_.size() <= searched_members) {
      places_ = {};
      return;
    }
    places_[last] = static_cast<std::uint32_t>(place);
    places_.erase(&member);  // which may be the last one itself
  }

 private:
  static constexpr std::uint32_t searched_members = 32;

  std::size_t place_of(const Member& member) const {
    if (places_.empty()) {
      return static_cast<std::size_t>(std::ranges::find(members_, &member) - members_.begin());
    }
    const auto found = places_.find(&member);
    return found == places_.end() ? members_.size() : found->second;
  }

  std::vector<Member*> members_;
  std::unordered_map<const Member*, std::uint32_t> places_;  // empty while members are few
};

}  // namespace parsec::protocol
