#include "protocol/events/events.h"

#include <array>
#include <cassert>
#include <span>
#include <type_traits>

#include "protocol/bytes/base64.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/types/reply.h"

namespace parsec::protocol {

namespace {

/// The fields of a notification: taken by name, the first failure noted.
class NotificationFields {
 public:
  explicit NotificationFields(msgpack::Value map) : map_(map) {}

  std::string text(std::string_view name) {
    const auto value = find(name, msgpack::Kind::str);
    return value ? std::string{value->str()} : std::string{};
  }
  std::int64_t integer(std::string_view name) {
    const auto value = find(name, msgpack::Kind::integer);
    return value ? value->integer() : 0;
  }
  std::vector<std::byte> bytes(std::string_view name) {
    const auto value = find(name, msgpack::Kind::bin);
    if (!value) return {};
    return {value->bin().begin(), value->bin().end()};
  }
  Uuid uuid(std::string_view name) {
    const auto value = find(name, msgpack::Kind::uuid);
    return value ? value->uuid() : Uuid{};
  }
  std::optional<Role> role(std::string_view name) {
    const auto value = map_.find(name);
    if (value && value->is_nil()) return std::nullopt;
    const auto role = parse_role(text(name));
    if (!role) note(name);
    return role;
  }
  /// Empty: all fields were there.
  const std::string& wrong() const { return wrong_; }

 private:
  std::optional<msgpack::Value> find(std::string_view name, msgpack::Kind kind) {
    const auto value = map_.find(name);
    if (value && value->kind() == kind) return value;
    note(name);
    return std::nullopt;
  }
  void note(std::string_view name) {
    if (wrong_.empty()) wrong_ = name;
  }

  msgpack::Value map_;
  std::string wrong_;
};

using ReadContent = Event::Content (*)(NotificationFields&);

struct SignalSpec {
  std::string_view name;
  ReadContent read;  // null: nobody here listens to it
};

Event::Content read_maintenance(NotificationFields& fields, bool started) {
  return RealmMaintenance{.author = fields.text("author"),
                          .realm_id = fields.uuid("realm_id"),
                          .encryption_revision = fields.integer("encryption_revision"),
                          .started = started};
}

template <const char* id>
Event::Content read_claim(NotificationFields& fields) {
  return Claimed{.invited_id = fields.text(id), .encrypted_claim = fields.bytes("encrypted_claim")};
}

template <const char* id>
Event::Content read_cancellation(NotificationFields& fields) {
  return InvitationCancelled{.invited_id = fields.text(id)};
}

constexpr char user_id[] = "user_id";
constexpr char device_id[] = "device_id";

// In the order of the table of protocol/6-events.md §6.2.
constexpr SignalSpec signals[] = {
    {"pinged",
     [](NotificationFields& fields) -> Event::Content {
       return Pinged{.author = fields.text("author"), .ping = fields.text("ping")};
     }},
    {"message.received",
     [](NotificationFields& fields) -> Event::Content {
       return MessageReceived{.author = fields.text("author"),
                              .recipient = fields.text("recipient"),
                              .index = fields.integer("index")};
     }},
    {"invite.status_changed",
     [](NotificationFields& fields) -> Event::Content {
       return InviteStatusChanged{.greeter = fields.text("greeter"),
                                  .token = fields.uuid("token"),
                                  .status = fields.text("status_str")};
     }},
    {"invite.conduit_updated",
     [](NotificationFields& fields) -> Event::Content {
       return InviteConduitUpdated{.token = fields.uuid("token")};
     }},
    {"realm.roles_updated",
     [](NotificationFields& fields) -> Event::Content {
       return RealmRolesUpdated{.author = fields.text("author"),
                                .realm_id = fields.uuid("realm_id"),
                                .user = fields.text("user"),
                                .role = fields.role("role_str")};
     }},
    {"realm.vlobs_updated",
     [](NotificationFields& fields) -> Event::Content {
       return RealmVlobsUpdated{.author = fields.text("author"),
                                .realm_id = fields.uuid("realm_id"),
                                .checkpoint = fields.integer("checkpoint"),
                                .src_id = fields.uuid("src_id"),
                                .src_version = fields.integer("src_version")};
     }},
    {"realm.maintenance_started",
     [](NotificationFields& fields) { return read_maintenance(fields, true); }},
    {"realm.maintenance_finished",
     [](NotificationFields& fields) { return read_maintenance(fields, false); }},
    {"user.created",
     [](NotificationFields& fields) -> Event::Content {
       return UserCreated{.user_id = fields.text("user_id"),
                          .user_certificate = fields.bytes("user_certificate"),
                          .first_device_id = fields.text("first_device_id"),
                          .first_device_certificate = fields.bytes("first_device_certificate")};
     }},
    {"user.revoked",
     [](NotificationFields& fields) -> Event::Content {
       return UserRevoked{.user_id = fields.text("user_id")};
     }},
    {"user.claimed", read_claim<user_id>},
    {"user.invitation.cancelled", read_cancellation<user_id>},
    {"device.created",
     [](NotificationFields& fields) -> Event::Content {
       return DeviceCreated{.device_id = fields.text("device_id"),
                            .device_certificate = fields.bytes("device_certificate"),
                            .encrypted_answer = fields.bytes("encrypted_answer")};
     }},
    {"device.claimed", read_claim<device_id>},
    {"device.invitation.cancelled", read_cancellation<device_id>},
    {"organization.expired",
     [](NotificationFields&) -> Event::Content { return OrganizationExpired{}; }},
};

}  // namespace

std::expected<std::optional<Event>, std::string> decode_notification(std::string_view payload) {
  const auto bytes = base64_decode(payload);
  if (!bytes) return std::unexpected("not base64");
  const auto document = msgpack::parse(*bytes);
  if (!document || document->kind() != msgpack::Kind::map) {
    return std::unexpected("not a msgpack map");
  }
  NotificationFields fields{*document};
  const auto signal = fields.text("__signal__");
  for (const auto& spec : signals) {
    if (spec.name != signal) continue;
    if (spec.read == nullptr) return std::nullopt;
    Event event{.organization_id = fields.text("organization_id"), .content = spec.read(fields)};
    if (!fields.wrong().empty()) {
      return std::unexpected(signal + " with a wrong or missing field " + fields.wrong());
    }
    return event;
  }
  return std::unexpected("unknown signal `" + signal.substr(0, 64) + "`");
}

namespace {

/// The reply of events_listen: the event's name, then its own fields.
struct EventReply : Reply {
  EventReply(engine::OutputBuffer& out, std::string_view event, std::uint32_t fields)
      : Reply(out, "ok", 1 + fields) {
    key("event").str(event);
  }
};

struct ReplyWriter {
  engine::OutputBuffer& out;

  void operator()(const Pinged& content) {
    EventReply reply{out, "pinged", 1};
    reply.key("ping").str(content.ping);
  }
  void operator()(const MessageReceived& content) {
    EventReply reply{out, "message.received", 1};
    reply.key("index").integer(content.index);
  }
  void operator()(const InviteStatusChanged& content) {
    EventReply reply{out, "invite.status_changed", 2};
    reply.key("token").uuid(content.token);
    reply.key("invitation_status").str(content.status);
  }
  void operator()(const RealmRolesUpdated& content) {
    EventReply reply{out, "realm.roles_updated", 2};
    reply.key("realm_id").uuid(content.realm_id);
    auto& role = reply.key("role");
    content.role ? role.str(name(*content.role)) : role.nil();
  }
  void operator()(const RealmVlobsUpdated& content) {
    EventReply reply{out, "realm.vlobs_updated", 4};
    reply.key("realm_id").uuid(content.realm_id);
    reply.key("checkpoint").integer(content.checkpoint);
    reply.key("src_id").uuid(content.src_id);
    reply.key("src_version").integer(content.src_version);
  }
  void operator()(const RealmMaintenance& content) {
    EventReply reply{
        out, content.started ? "realm.maintenance_started" : "realm.maintenance_finished", 2};
    reply.key("realm_id").uuid(content.realm_id);
    reply.key("encryption_revision").integer(content.encryption_revision);
  }
  // No client is told of the others.
  template <typename Internal>
  void operator()(const Internal& content) {
    assert(!is_told_to_clients(content));
    static_cast<void>(content);
  }
};

}  // namespace

std::string_view signal_name(std::size_t index) {
  constexpr std::array<std::string_view, event_signals> names{"pinged",
                                                              "message.received",
                                                              "invite.status_changed",
                                                              "realm.roles_updated",
                                                              "realm.vlobs_updated",
                                                              "realm.maintenance",
                                                              "user.revoked",
                                                              "organization.expired",
                                                              "user.created",
                                                              "device.created",
                                                              "invitation.claimed",
                                                              "invitation.cancelled",
                                                              "invite.conduit_updated"};
  return names[index];
}

bool is_told_to_clients(const Event::Content& content) {
  return std::holds_alternative<Pinged>(content) ||
         std::holds_alternative<MessageReceived>(content) ||
         std::holds_alternative<InviteStatusChanged>(content) ||
         std::holds_alternative<RealmRolesUpdated>(content) ||
         std::holds_alternative<RealmVlobsUpdated>(content) ||
         std::holds_alternative<RealmMaintenance>(content);
}

Bytes SharedEvent::reply_message() const {
  if (reply_.empty()) std::visit(ReplyWriter{reply_}, event_.content);
  return reply_.bytes();
}

}  // namespace parsec::protocol
