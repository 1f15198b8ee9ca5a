// Events: what happened in the deployment, as the notifications of protocol/6-events.md §6.2 tell
// it.
//
// The listener's thread decodes each notification once and hands every shard a copy of its own;
// there it is shared by the sessions that wait for it, counted without atomics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/output_buffer.h"
#include "engine/types.h"
#include "protocol/types/identifiers.h"

namespace parsec::protocol {

struct Pinged {
  std::string author;
  std::string ping;
};
struct MessageReceived {
  std::string author;
  std::string recipient;  // user ID
  std::int64_t index;
};
struct InviteStatusChanged {
  std::string greeter;  // user ID
  Uuid token;
  std::string status;  // IDLE, READY, DELETED
};
struct InviteConduitUpdated {
  Uuid token;
};
struct RealmRolesUpdated {
  std::string author;
  Uuid realm_id;
  std::string user;
  std::optional<Role> role;
};
struct RealmVlobsUpdated {
  std::string author;
  Uuid realm_id;
  std::int64_t checkpoint;
  Uuid src_id;
  std::int64_t src_version;
};
struct RealmMaintenance {
  std::string author;
  Uuid realm_id;
  std::int64_t encryption_revision;
  bool started;  // else finished
};
struct UserRevoked {
  std::string user_id;
};
struct UserCreated {
  std::string user_id;
  std::vector<std::byte> user_certificate;  // both empty: too large for a notification
  std::string first_device_id;
  std::vector<std::byte> first_device_certificate;
};
struct DeviceCreated {
  std::string device_id;
  std::vector<std::byte> device_certificate;  // empty: this and the answer are too large
  std::vector<std::byte> encrypted_answer;
};
/// user.claimed or device.claimed.
struct Claimed {
  std::string invited_id;
  std::vector<std::byte> encrypted_claim;  // empty: it may be too large
};
/// user.invitation.cancelled or device.invitation.cancelled.
struct InvitationCancelled {
  std::string invited_id;
};
struct OrganizationExpired {};

struct Event {
  using Content =
      std::variant<Pinged, MessageReceived, InviteStatusChanged, RealmRolesUpdated,
                   RealmVlobsUpdated, RealmMaintenance, UserRevoked, OrganizationExpired,
                   UserCreated, DeviceCreated, Claimed, InvitationCancelled, InviteConduitUpdated>;
  std::string organization_id;
  Content content;
};

/// For counting: what an event is about, by the place of its content.
inline constexpr std::size_t event_signals = std::variant_size_v<Event::Content>;
std::string_view signal_name(std::size_t index);

/// Whether events_listen gives it (protocol/6-events.md §6.1); the others are between servers.
bool is_told_to_clients(const Event::Content& content);

/// Reads a notification's payload (base64 of msgpack). nullopt: well-formed, of a known name, and
/// nobody here listens to it (yet). Error: why it is to be ignored; unknown further fields are no
/// reason.
std::expected<std::optional<Event>, std::string> decode_notification(std::string_view payload);

/// An event on one shard, with the reply of events_listen encoded once for all who get it.
class SharedEvent {
 public:
  explicit SharedEvent(Event event) : event_(std::move(event)) {}

  const Event& event() const { return event_; }

  /// A whole WebSocket message `{status: ok, event: …, …}`; empty for an event that is not one
  /// clients see. Encoded at the first call.
  Bytes reply_message() const;

 private:
  friend class EventPointer;
  Event event_;
  mutable engine::OutputBuffer reply_;
  mutable std::uint32_t references_ = 0;
};

/// Counts references without atomics: never leaves its shard.
class EventPointer {
 public:
  EventPointer() = default;
  explicit EventPointer(const SharedEvent* event) : event_(event) { ++event_->references_; }
  EventPointer(const EventPointer& other) : event_(other.event_) {
    if (event_ != nullptr) ++event_->references_;
  }
  EventPointer(EventPointer&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  EventPointer& operator=(EventPointer other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~EventPointer() {
    if (event_ != nullptr && --event_->references_ == 0) delete event_;
  }

  explicit operator bool() const { return event_ != nullptr; }
  const SharedEvent* operator->() const { return event_; }
  const Event& operator*() const { return event_->event(); }

 private:
  const SharedEvent* event_ = nullptr;
};

}  // namespace parsec::protocol
