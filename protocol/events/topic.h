// What a command waits for beside the events of a subscription: events about one subject, such as
// the claim of an invitation (protocol/7-apiv1.md §7.3).
//
// Only the first one since the last that was taken is kept: a command waits for what decides, or
// looks at the database again, so a second one would tell it nothing more. And nobody can make a
// server remember much by causing many.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "protocol/events/events.h"

namespace parsec::protocol {

/// Events of some kinds about one subject of the session's organization: a user ID, a device ID, or
/// the 16 bytes of a token.
struct Topic {
  std::string subject;
  std::uint32_t kinds;  // bits by the index in Event::Content

  bool includes(const Event::Content& content) const { return kinds >> content.index() & 1; }
  bool operator==(const Topic&) const = default;
};

namespace detail {
template <typename Content, typename... All>
constexpr std::uint32_t kind_bit(const std::variant<All...>*) {
  static_assert((std::is_same_v<Content, All> || ...));
  std::uint32_t bit = 1;
  static_cast<void>(((std::is_same_v<Content, All> ? true : (bit <<= 1, false)) || ...));
  return bit;
}
}  // namespace detail

/// `topic<UserCreated, InvitationCancelled>("bob")`
template <typename... Contents>
Topic topic(std::string subject) {
  constexpr const Event::Content* all = nullptr;
  return {std::move(subject), (detail::kind_bit<Contents>(all) | ...)};
}

/// The subject of events about an invitation of API v2.
inline std::string token_subject(const Uuid& token) { return std::string{as_text(token.bytes)}; }

struct TopicEvent {
  enum class Kind : std::uint8_t {
    event,
    gap,      // events may have been missed: look again, or end
    timeout,  // none came in time
  };
  Kind kind;
  EventPointer event;  // of Kind::event
};

/// A session that listens to a topic.
struct Listening {
  Topic topic;
  EventPointer heard = {};
  bool gap = false;
  bool too_late = false;
  bool caught_up = false;  // all that it hears committed after it began
};

}  // namespace parsec::protocol
