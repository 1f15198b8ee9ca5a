// Who hears an event: members that come and go in any order, each at a cost that does not depend on
// how many there are (all connections of a realm may end at once). Shard thread only.
//
// Most audiences are one connection, or a user's few devices: a single member needs no memory of
// its own, few are a list that is searched. One that grows beyond that also knows where each member
// stands.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace parsec::protocol {

template <typename Member>
class Audience {
 public:
  bool empty() const { return members().empty(); }
  std::size_t size() const { return members().size(); }
  /// In no particular order; the same after the same calls. Valid until the next change.
  std::span<Member* const> members() const {
    if (many_) return many_->members;
    return {&single_, single_ == nullptr ? 0u : 1u};
  }

  /// Not one that is there.
  void add(Member& member) {
    if (empty()) {
      single_ = &member;
      return;
    }
    if (!many_) {
      many_ = std::make_unique<Many>();
      many_->members.push_back(single_);
    }
    many_->add(member);
  }

  /// One that is not there is no matter.
  void remove(const Member& member) {
    if (!many_) {
      if (single_ == &member) single_ = nullptr;
      return;
    }
    many_->remove(member);
    if (many_->members.size() > 1) return;
    single_ = many_->members.front();
    many_.reset();
  }

 private:
  static constexpr std::uint32_t searched_members = 32;

  /// Two or more.
  struct Many {
    std::vector<Member*> members;
    std::unordered_map<const Member*, std::uint32_t> places;  // empty while members are few

    void add(Member& member) {
      if (members.size() == searched_members) {
        for (std::uint32_t i = 0; i < searched_members; ++i) places[members[i]] = i;
      }
      if (members.size() >= searched_members) {
        const auto place = static_cast<std::uint32_t>(members.size());
        const bool is_new = places.emplace(&member, place).second;
        assert(is_new);
        static_cast<void>(is_new);
      }
      members.push_back(&member);
    }

    void remove(const Member& member) {
      const std::size_t place = place_of(member);
      if (place == members.size()) return;
      Member* const last = members.back();
      members[place] = last;
      members.pop_back();
      if (places.empty()) return;
      if (members.size() <= searched_members) {
        places = {};
        return;
      }
      places[last] = static_cast<std::uint32_t>(place);
      places.erase(&member);  // which may be the last one itself
    }

    std::size_t place_of(const Member& member) const {
      if (places.empty()) {
        return static_cast<std::size_t>(std::ranges::find(members, &member) - members.begin());
      }
      const auto found = places.find(&member);
      return found == places.end() ? members.size() : found->second;
    }
  };

  Member* single_ = nullptr;  // null, or the only member; not used while there are many
  std::unique_ptr<Many> many_;
};

}  // namespace parsec::protocol
