// How many claimers of each invitation this server has, over all its shards, and what is to be told
// of that (protocol/5-invite.md): READY when one comes, IDLE when the last one leaves.
//
// Announcements are writes that different shards submit on different ways, so of one invitation
// only one is under way at a time: what comes meanwhile is told after it. Thus the last one that
// others hear is true, however fast claimers come and go; what is overtaken by then is not told at
// all.
//
// Any thread. The mutex is held for one step in a hash table, once per claimer that comes or
// leaves.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/types.h"

namespace parsec::protocol {

/// An invitation of an organization, as a key.
struct InvitationKey {
  std::string organization_id;
  Uuid token;
  bool operator==(const InvitationKey&) const = default;
};

}  // namespace parsec::protocol

template <>
struct std::hash<parsec::protocol::InvitationKey> {
  std::size_t operator()(const parsec::protocol::InvitationKey& key) const {
    // Tokens are random, and hardly ever the same in two organizations.
    return std::hash<parsec::Uuid>{}(key.token);
  }
};

namespace parsec::protocol {

class ClaimerCounts {
 public:
  enum class Status : std::uint8_t { idle, ready };
  struct Announcement {
    Status status;
    std::string greeter;  // user ID
  };

  /// What the caller is to announce now: it calls announced() when that is done. nullopt: nothing,
  /// or whoever is announcing goes on with it.
  std::optional<Announcement> join(const InvitationKey& key, std::string_view greeter);
  std::optional<Announcement> leave(const InvitationKey& key);

  /// again: it was not told (the database could not be reached). The result as above.
  std::optional<Announcement> announced(const InvitationKey& key, bool again);

  /// It has claimers here, or an announcement under way.
  bool contains(const InvitationKey& key) const;
  /// Invitations with claimers, or with an announcement under way.
  std::size_t size() const;

 private:
  struct Entry {
    std::string greeter;
    std::uint32_t claimers = 0;
    bool announcing = false;
    std::optional<Status> next;  // to be announced after that
  };
  static std::optional<Announcement> announce(Entry& entry, Status status);

  mutable std::mutex mutex_;
  std::unordered_map<InvitationKey, Entry> entries_;
};

}  // namespace parsec::protocol
