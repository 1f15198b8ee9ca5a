// One client connection, from its first byte to its last: HTTP head, WebSocket, handshake,
// requests and replies. A state machine without I/O: it takes bytes, database replies, events and
// deadlines, and gives bytes (into the transport's output) and database requests.
//
// Shard thread only. Created by the Service when a connection opens, destroyed when it closed.
// Commands (protocol/commands/) see the part below "For commands".
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/request.h"
#include "db/types.h"
#include "engine/handler.h"
#include "protocol/certificates.h"
#include "protocol/command.h"
#include "protocol/events.h"
#include "protocol/fields.h"
#include "protocol/identifiers.h"
#include "protocol/reply.h"
#include "protocol/websocket.h"

namespace parsec::protocol {

class Service;
struct CommandSpec;

/// What kind of commands a connection is offered (2-handshake.md §2.2).
enum class ConnectionKind : std::uint8_t {
  authenticated,     // API v2
  authenticated_v1,  // API v1
  invited,
  anonymous,
  administration,
};

/// Who is at the other end, from the handshake on. Of an invited, anonymous or administration
/// connection only the fields that make sense are filled.
struct Identity {
  ConnectionKind kind{};
  std::string organization_id;
  std::string device_id;
  Profile profile{};
  VerifyKey verify_key{};  // the device's

  std::string_view user_id() const { return user_of(device_id); }
};

/// Why the server ends a WebSocket (RFC 6455 §7.4.1).
enum class CloseCode : std::uint16_t {
  normal = 1000,
  protocol_error = 1002,
  invalid_text = 1007,
  too_big = 1009,
  internal_error = 1011,
};

class Session {
 public:
  Session(Service& service, engine::ConnectionId connection);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- For the service

  void on_data(std::span<std::byte> bytes);
  void on_drained();
  void on_deadline();
  void on_database_reply(db::Request* request);  // takes it
  void on_event(const EventPointer& event);      // one the router chose for this session
  void on_fence(bool kept);                      // see Subscription
  void on_database_capacity();                   // a request that found the ring full may be retried
  void on_shutdown();

  engine::ConnectionId connection() const { return connection_; }

  // --- For commands

  const Identity& identity() const { return identity_; }
  std::string_view organization_id() const { return identity_.organization_id; }
  std::string_view device_id() const { return identity_.device_id; }
  std::string_view user_id() const { return identity_.user_id(); }
  Service& service() { return service_; }

  /// Wall clock, microseconds.
  DateTime now() const;

  /// A database request to fill with one of db/functions/. Must be given to execute().
  db::Request& new_call();

  /// `db::Rows rows = co_await session.execute(call);` Resumes only with Outcome::ok and a status
  /// that is the command's own: a failure closes the connection (1011), an author that was revoked
  /// or whose organization expired closes it too (1000), and the command is destroyed. The rows
  /// are valid until the next execute() of this session, or the end of the command.
  struct ExecuteAwaiter {
    Session& session;
    db::Request& call;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<>) { session.start_call(call); }
    db::Rows await_resume() const { return session.call_ ? session.call_->rows() : db::Rows{}; }
  };
  ExecuteAwaiter execute(db::Request& call) { return {*this, call}; }

  // Replies: exactly one per command.

  /// `Reply reply = session.reply_ok(2); reply.key("a").integer(1); …` ends when it goes out of
  /// scope. fields: how many key/value pairs follow beside `status`. size_hint: bytes of the whole
  /// reply, if it is large (a good guess saves a copy).
  Reply reply_ok(std::uint32_t fields = 0, std::size_t size_hint = 0);
  /// {status, reason}; without reason if it is empty.
  void reply_error(std::string_view status, std::string_view reason = {});
  void reply_bad_message(const Fields& fields);
  /// {"status": "invalid_certification", "reason": "Invalid certification data (<detail>)."}
  void reply_invalid_certification(const CertificateError& error);

  /// Ends the connection from within a command; the command should co_return at once.
  void close(CloseCode code);

  /// Verifies with the author's key and author (of authenticated connections).
  template <typename Certificate>
  std::expected<Certificate, CertificateError> load_certificate(Bytes certificate) const {
    return verify_and_load<Certificate>(certificate, identity_.verify_key, device_id());
  }

 private:
  friend struct ExecuteAwaiter;
  void start_call(db::Request& call);

  Service& service_;
  engine::ConnectionId connection_;
  Identity identity_;
  db::Request* call_ = nullptr;
};

}  // namespace parsec::protocol
