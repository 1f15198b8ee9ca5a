// One client connection, from its first byte to its last: HTTP head, WebSocket, handshake,
// requests and replies. A state machine without I/O: it takes bytes, database replies, events and
// deadlines, and gives bytes (into the transport's output) and database requests.
//
// Shard thread only. Created by the Service when a connection opens, destroyed when it closed.
// Commands (protocol/commands/) see the part "For commands"; protocol/session/handshake.cpp that
// for it. session_http.cpp holds the head, session.cpp frames and requests, session_wait.cpp and
// session_listening.cpp what a command may wait for.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/blocks/block_store.h"
#include "db/driver/request.h"
#include "engine/handler.h"
#include "engine/host/log.h"
#include "engine/types.h"
#include "protocol/events/events.h"
#include "protocol/events/subscription.h"
#include "protocol/events/topic.h"
#include "protocol/session/command.h"
#include "protocol/session/command_table.h"
#include "protocol/session/counts.h"
#include "protocol/types/certificates.h"
#include "protocol/types/fields.h"
#include "protocol/types/identifiers.h"
#include "protocol/types/reply.h"
#include "protocol/websocket/websocket.h"

namespace parsec::http {
struct Request;
}

namespace parsec::protocol {

class Service;

/// Who is at the other end, from the handshake on. Of an invited, anonymous or administration
/// connection only the fields that make sense are filled.
struct Identity {
  Identity() = default;
  explicit Identity(ConnectionKind of_kind, std::string_view organization = {},
                    std::string_view device = {}, std::optional<Uuid> invitation = {})
      : kind(of_kind), organization_id(organization), device_id(device), token(invitation) {}

  ConnectionKind kind{};
  Profile profile{};
  std::string organization_id;
  std::string device_id;
  VerifyKey verify_key{};     // the device's
  std::optional<Uuid> token;  // the invitation's

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

using Challenge = std::array<std::byte, 48>;

class Session {
 public:
  Session(Service& service, engine::ConnectionId connection, std::string_view peer_address);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- For the service

  void on_data(std::span<std::byte> bytes);
  void on_drained();
  void on_deadline();
  void on_database_reply(db::Request* request);  // takes it
  void on_database_capacity();                   // a request that found the ring full: again
  void on_block_reply(db::BlockJob* job);        // takes it
  void on_block_capacity();
  void on_fence(bool kept);
  void on_presence_told();
  void on_turn_again();  // after yield()
  void on_memory();      // there is some again
  void on_shutdown();

  engine::ConnectionId connection() const { return connection_; }
  /// It is over, for this reason unless we had one.
  void count_end(engine::CloseReason reason);
  /// Nobody knows who it is yet, and it is its turn to say something, or it has been refused: who
  /// takes a farewell byte by byte, or waits for having guessed wrong, must not keep others out.
  bool idles_as_stranger() const {
    return phase_ == Phase::closing ||
           (is_stranger() && (!command_ || awaiting_ == Awaiting::pause));
  }
  /// Makes room for another connection.
  void leave_as_stranger();

  /// Memory that it takes beside itself, and that ending it gives back: unread output, messages,
  /// requests, results. What the database and the block stores have meanwhile they count.
  std::size_t held_bytes() const;
  std::size_t counted_bytes = 0;          // of these, in the shard's count
  std::size_t counted_strange_bytes = 0;  // and in that of strangers
  bool is_stranger() const {
    return phase_ == Phase::http || phase_ == Phase::handshake ||
           (phase_ == Phase::commands && identity_.kind == ConnectionKind::anonymous);
  }
  /// There is too little for all. At once: what waits for the peer is what holds the memory.
  void end_for_memory();
  /// It was ended so; its memory goes back when the kernel lets go of it.
  bool ended_for_memory() const { return ended_for_memory_; }
  /// Looks at the message that was begun, if there is one. It may go on: it is new since the last
  /// look, or got so many bytes.
  enum class Progress : std::uint8_t { no_message, enough, too_little };
  Progress look_at_message(std::size_t least_bytes);
  void end_as_too_slow();

  // --- For the router

  /// An event that concerns this session's user, realms or organization.
  void on_event(const EventPointer& event);
  /// Any event of the organization, while the subscription is loading.
  void on_event_while_loading(const EventPointer& event);
  /// An event about the subject that the session listens to.
  void on_topic_event(const EventPointer& event);
  /// Events may have been missed.
  void on_gap();
  bool subscribed() const { return subscription_ != nullptr; }
  /// What the command under way listens to; null: nothing.
  const Topic* topic() const { return listening_ ? &listening_->topic : nullptr; }
  const Subscription* subscription() const { return subscription_.get(); }
  std::uint32_t router_position = 0;  // in the router's list of the organization's sessions

  /// Ends a WebSocket with Close, a plain HTTP connection without a word. Idempotent. A command
  /// under way is destroyed without reply (if it is the one that calls, it must co_return).
  void end(CloseCode code, EndReason reason);

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

  /// The request whose rows were returned last, to change and execute again: for a status that asks
  /// for it, without keeping copies of what the client sent. The rows are gone with the execution.
  db::Request& repeat_call();

  /// The realm that the vlob commands of this connection were about last: a guess by which
  /// vlob_update is routed, never more.
  Uuid recent_realm;

  /// `db::Rows rows = co_await session.execute(call);` Resumes only with Outcome::ok and a status
  /// that is the command's own: a failure closes the connection (1011), an author that was revoked
  /// or whose organization expired closes it too (1000), and the command is destroyed. The rows
  /// are valid until the next execute() of this session, or the end of the command.
  struct Execution {
    Session& session;
    db::Request& call;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<>) { session.start_call(call); }
    db::Rows await_resume() const { return session.reply_->rows(); }
  };
  Execution execute(db::Request& call) { return {*this, call}; }

  /// `EventPointer event = co_await session.next_event();` The oldest waiting event, or the next
  /// one that comes. Only a long-poll command may wait for it: the next request destroys it there.
  struct NextEvent {
    Session& session;
    bool await_ready() const { return session.has_waiting_event(); }
    void await_suspend(std::coroutine_handle<>) { session.awaiting_ = Awaiting::event; }
    EventPointer await_resume() const { return session.take_waiting_event(); }
  };
  NextEvent next_event() { return {*this}; }
  bool has_waiting_event() const { return subscription_ && !subscription_->waiting.empty(); }

  /// `co_await session.subscribe(call);` Events of this connection are collected from the resume
  /// on; call is db::functions::user_realms. See subscription.h.
  struct Subscribing {
    Session& session;
    db::Request& call;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<>) { session.start_subscription(call); }
    void await_resume() const {}
  };
  Subscribing subscribe(db::Request& call) { return {*this, call}; }

  /// `session.listen(topic<UserCreated>("bob")); co_await session.catch_up(); …;
  /// TopicEvent next = co_await session.next_topic_event(timeout);` From listen() on, until the
  /// command ends, the first such event is kept. One topic for a command. catch_up() forgets what
  /// had committed before it; so what a command does afterwards, and its peers' answers to that, is
  /// all it hears. A command that cancelled one with the same topic goes on listening where that
  /// one left.
  void listen(Topic topic);
  struct CatchingUp {
    Session& session;
    bool await_ready() const { return session.listening_->caught_up; }
    void await_suspend(std::coroutine_handle<>) { session.start_catching_up(); }
    void await_resume() const {}
  };
  CatchingUp catch_up() { return {*this}; }
  /// The next request destroys a long-poll command there; others it waits for. Without timeout:
  /// as long as it takes.
  struct NextTopicEvent {
    Session& session;
    std::optional<std::chrono::milliseconds> timeout;
    bool await_ready() const { return session.has_topic_event(); }
    void await_suspend(std::coroutine_handle<>) { session.wait_for_topic_event(timeout); }
    TopicEvent await_resume() const { return session.take_topic_event(); }
  };
  NextTopicEvent next_topic_event(std::optional<std::chrono::milliseconds> timeout = {}) {
    return {*this, timeout};
  }

  /// `db::BlockJob* job = co_await session.run_block_job(job);` A job of service().blocks(),
  /// executed. The session keeps and releases it.
  struct BlockAccess {
    Session& session;
    db::BlockJob& job;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<>) { session.start_block_job(job); }
    const db::BlockJob& await_resume() const { return *session.block_job_; }
  };
  /// `co_await session.yield();` Lets other connections have their turn; nothing may be half
  /// written into the connection's output meanwhile (long_reply.h).
  struct Yield {
    Session& session;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<>) { session.start_yield(); }
    void await_resume() const {}
  };
  Yield yield() { return {*this}; }

  db::BlockJob& new_block_job();
  BlockAccess run(db::BlockJob& job) { return {*this, job}; }

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
  /// As reply_ok, into a buffer of its own (long_reply.h), which the session then sends.
  void begin_long_reply(const engine::OutputBuffer& reply);
  void send_long_reply(engine::OutputBuffer& reply);
  /// It will not be sent, or was.
  void forget_long_reply() { long_reply_ = nullptr; }
  /// The reply of events_listen, encoded once for the whole audience.
  void reply_event(const SharedEvent& event);

  /// Verifies with the author's key and author (of authenticated connections).
  template <typename Certificate>
  std::expected<Certificate, CertificateError> load_certificate(Bytes certificate) const {
    return verify_and_load<Certificate>(certificate, identity_.verify_key, device_id());
  }

  // --- For the handshake (handshake.cpp)

  /// Of the peer, or the proxy before it; gone with the handshake.
  const std::string& peer_address() const { return opening_->peer_address; }
  /// `co_await session.pause(duration);`
  struct Pause {
    Session& session;
    std::chrono::milliseconds duration;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<>) { session.start_pause(duration); }
    void await_resume() const {}
  };
  Pause pause(std::chrono::milliseconds duration) { return {*this, duration}; }

  const Challenge& challenge() const { return opening_->challenge; }
  /// From now on revocation and expiration reach this connection: before the database is asked.
  void claim_identity(Identity identity);
  /// verify_key, profile: of a device.
  void accept(const VerifyKey& verify_key = {}, Profile profile = {});
  /// `co_await session.join(greeter);` Precedes the accept() of a claimer: whoever subscribes after
  /// that hears no more of READY. greeter: user ID.
  struct Joining {
    Session& session;
    std::string_view greeter;
    bool await_ready() const { return !session.join_invitation(greeter); }
    void await_suspend(std::coroutine_handle<>) { session.awaiting_ = Awaiting::presence; }
    void await_resume() const {}
  };
  Joining join(std::string_view greeter) { return {*this, greeter}; }
  void refuse(std::string_view result, std::string_view help);
  /// What the client speaks, as far as it is known.
  void note_api_version(std::int64_t major) { api_major_ = static_cast<std::uint8_t>(major); }

 private:
  /// Where a connection is in its life; only forward, except back from http to http (keep-alive).
  enum class Phase : std::uint8_t { http, handshake, commands, closing };
  /// What the command under way waits for; one thing at a time.
  enum class Awaiting : std::uint8_t {
    nothing,
    database,
    event,
    subscription,
    fence,
    topic_event,
    blocks,
    presence,
    pause,
    turn,
  };

  /// State that only the beginning of a connection needs.
  struct Opening {
    std::vector<std::byte> head;     // of an HTTP request, incomplete
    std::uint64_t body_to_skip = 0;  // of an HTTP request that was answered
    Challenge challenge;
    std::string peer_address;
  };
  /// Messages in the making or waiting; freed when idle.
  struct Inbound {
    std::vector<std::byte> message;  // fragments so far
    std::size_t progress = 0;        // of its bytes, since the last look
    bool was_seen = false;           // at the last look
    struct Waiting {
      std::vector<std::byte> bytes;
      bool is_text;
    };
    std::vector<Waiting> waiting;  // whole messages behind the request under way
    std::size_t waiting_bytes = 0;
    std::optional<std::vector<std::byte>> ping;  // the newest, to be answered when output drained
    bool empty() const { return message.empty() && waiting.empty() && !ping; }
  };

  void release_identity();

  // Bytes and frames (session.cpp)
  void read_http(std::span<std::byte>& input);
  void answer_http(std::span<std::byte> head);
  /// Behind an answer: the next request, or the end.
  void await_next_request(const http::Request& answered);
  void refuse_http(int status);
  void start_websocket(std::string_view key);
  void read_frames(std::span<std::byte>& input);
  void read_part(const websocket::FramePart& part);
  void read_control(const websocket::FramePart& part);
  void answer_ping(Bytes payload);
  void watch_message(std::size_t received);
  std::size_t max_message_bytes() const;
  std::size_t high_water() const;
  void on_message(std::span<std::byte> message, bool is_text);
  Inbound& inbound();
  void trim_inbound();
  void pause_if_too_much_waits();

  // Requests
  void start_pause(std::chrono::milliseconds duration);
  void start_yield();
  void resume_reading_if_free();
  bool busy() const { return static_cast<bool>(command_) || output_blocked_; }
  void handle_message(Bytes message, bool is_text);
  void handle_request(Bytes message);
  void refuse_format();
  void run_command(Command command, const CommandSpec* spec);
  void resume_command();
  void continue_command();
  /// True: the command waits for nothing that it caused itself.
  bool idles() const { return awaiting_ == Awaiting::event || awaiting_ == Awaiting::topic_event; }
  void cancel_long_poll();
  bool join_invitation(std::string_view greeter);
  void after_command();
  void leave_command();
  void serve_waiting();
  void note_reply(std::string_view status, std::size_t index);
  void report_slow(engine::Duration duration) const;
  void become(ConnectionUse use);
  void drop_subscription();
  void report_too_slow(std::string_view at) const;
  log::Field<log::ConnectionName> conn_id() const;
  double request_seconds() const;
  engine::OutputBuffer& output();

  // Waiting (session_wait.cpp)
  void start_call(db::Request& call);
  void submit_call();
  bool author_is_gone(const db::Request& reply);
  void fail_call(const db::Request& reply);
  void start_subscription(db::Request& call);
  void finish_subscription_if_loaded();
  void finish_subscription();
  void hear_loaded(const EventPointer& event);
  void change_membership(const RealmRolesUpdated& change);
  void deliver(const EventPointer& event);
  EventPointer take_waiting_event();
  void start_block_job(db::BlockJob& job);
  void release_results();

  // Listening (session_listening.cpp)
  void rest_listening();
  void stop_listening();
  void start_catching_up();
  void finish_catching_up();
  bool has_topic_event() const;
  void wait_for_topic_event(std::optional<std::chrono::milliseconds> timeout);
  TopicEvent take_topic_event();
  void end_wait_for_topic_event();
  void on_topic_deadline();

  Service& service_;
  const engine::ConnectionId connection_;
  Phase phase_ = Phase::http;
  Awaiting awaiting_ = Awaiting::nothing;
  bool running_ = false;                // the command is on the stack now
  bool attached_ = false;               // to the router
  bool joined_ = false;                 // a claimer whose handshake succeeded
  std::optional<EndReason> withdrawn_;  // revoked or expired during the handshake
  std::optional<EndReason> end_reason_;
  ConnectionUse use_ = ConnectionUse::http;
  std::uint8_t api_major_ = 0;   // 0: unknown
  bool output_blocked_ = false;  // the peer does not read: requests wait
  bool reading_paused_ = false;  // too much waits
  bool lacks_memory_ = false;    // reading is paused until there is some
  bool message_watched_ = false;
  bool ended_for_memory_ = false;
  bool message_is_text_ = false;
  const CommandSpec* spec_ = nullptr;         // of the command under way; null in the handshake
  CommandCounts* counts_ = nullptr;           // of that command
  engine::TimePoint request_began_;           // of the latest, where the log tells how long it took
  engine::TimePoint request_turn_;            // in which it was begun: a clock that costs nothing
  engine::TimePoint call_turn_;               // likewise of its database call under way
  std::chrono::nanoseconds database_wait_{};  // of its calls so far: in queues
  std::chrono::nanoseconds database_time_{};  // in PostgreSQL, with those it shared a commit with
  Command command_;
  db::Request* call_ = nullptr;   // being filled, or refused by a full ring
  db::Request* reply_ = nullptr;  // executed, its rows are being read
  db::BlockJob* block_job_ = nullptr;
  const engine::OutputBuffer* long_reply_ = nullptr;  // that is being written
  std::unique_ptr<Opening> opening_;
  std::unique_ptr<Inbound> inbound_;
  std::unique_ptr<Subscription> subscription_;
  std::unique_ptr<Listening> listening_;
  websocket::FrameReader frames_;
  Identity identity_;
};

}  // namespace parsec::protocol
