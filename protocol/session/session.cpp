#include "protocol/session/session.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "db/functions/route.h"
#include "engine/host/log.h"
#include "protocol/bytes/utf8.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/session/handshake.h"
#include "protocol/session/service.h"

namespace parsec::protocol {

std::string_view name(ConnectionKind kind) {
  switch (kind) {
    case ConnectionKind::authenticated:
      return "authenticated";
    case ConnectionKind::authenticated_v1:
      return "authenticated (API v1)";
    case ConnectionKind::invited:
      return "invited";
    case ConnectionKind::anonymous:
      return "anonymous";
    case ConnectionKind::administration:
      return "administration";
  }
  return "?";
}

Session::Session(Service& service, engine::ConnectionId connection, std::string_view peer_address)
    : service_(service), connection_(connection), opening_(std::make_unique<Opening>()) {
  opening_->peer_address = peer_address;
  service_.counts().become(use_);
  service_.transport().set_deadline(connection_, service_.settings().head_timeout);
}

Session::~Session() {
  command_.reset();  // may tell this session of its end
  release_identity();
  drop_subscription();
  release_results();
  service_.counts().leave(use_);
}

void Session::become(ConnectionUse use) {
  service_.counts().leave(use_);
  service_.counts().become(use);
  use_ = use;
}

void Session::drop_subscription() {
  if (!subscription_) return;
  subscription_.reset();
  service_.counts().subscriptions.subtract();
}

void Session::count_end(engine::CloseReason reason) {
  service_.counts().end(use_, end_reason_.value_or(reason_of(reason)));
}

DateTime Session::now() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

engine::OutputBuffer& Session::output() { return service_.transport().output(connection_); }

// --- Bytes and frames

void Session::on_data(std::span<std::byte> bytes) {
  while (!bytes.empty() && phase_ != Phase::closing) {
    if (phase_ == Phase::http) {
      read_http(bytes);
    } else {
      read_frames(bytes);
    }
  }
  trim_inbound();
}

void Session::read_frames(std::span<std::byte>& input) {
  while (phase_ != Phase::closing) {
    const auto part = frames_.next(input);
    if (!part) {
      log::info("Connection dropped: websocket error", "connection {}: {}", conn_id(),
                log::field("reason", websocket::name(part.error())));
      return end(CloseCode::protocol_error, EndReason::protocol_error);
    }
    if (!*part) return;
    read_part(**part);
  }
}

void Session::read_part(const websocket::FramePart& part) {
  using websocket::Opcode;
  if (part.opcode == Opcode::close || part.opcode == Opcode::ping || part.opcode == Opcode::pong) {
    return read_control(part);
  }
  if (part.first && part.opcode != Opcode::continuation) {
    message_is_text_ = part.opcode == Opcode::text;
    if (part.last && part.fin) {
      if (part.payload.size() > max_message_bytes())
        return end(CloseCode::too_big, EndReason::protocol_error);
      return on_message(part.payload, message_is_text_);
    }
  }
  auto& message = inbound().message;
  const auto limit = max_message_bytes();
  // The announced size counts at the first part already: no use in taking what will be refused.
  if (part.frame_size > limit || message.size() + part.payload.size() > limit) {
    return end(CloseCode::too_big, EndReason::protocol_error);
  }
  message.insert(message.end(), part.payload.begin(), part.payload.end());
  if (part.last && part.fin) {
    auto whole = std::exchange(message, {});
    inbound_->progress = 0;
    inbound_->was_seen = false;
    return on_message(whole, message_is_text_);
  }
  watch_message(part.payload.size());
}

/// A message that has only begun may not stay so, and takes no more memory when that is short.
void Session::watch_message(std::size_t received) {
  auto& in = *inbound_;
  in.progress += received;
  if (!std::exchange(message_watched_, true)) service_.watch_message(connection_);
  if (lacks_memory_ || in.message.size() < service_.settings().memory_free_bytes) return;
  if (!service_.is_short_of_memory()) return;
  lacks_memory_ = true;
  service_.transport().pause_reading(connection_);
  service_.wait_for_memory(connection_);
}

Session::Progress Session::look_at_message(std::size_t least_bytes) {
  if (!inbound_ || inbound_->message.empty() || phase_ == Phase::closing) {
    message_watched_ = false;
    return Progress::no_message;
  }
  // Whom we do not read cannot go on.
  if (lacks_memory_ || reading_paused_) {
    inbound_->was_seen = false;
    return Progress::enough;
  }
  const bool was_seen = std::exchange(inbound_->was_seen, true);
  const std::size_t progress = std::exchange(inbound_->progress, 0);
  return !was_seen || progress >= least_bytes ? Progress::enough : Progress::too_little;
}

void Session::end_as_too_slow() {
  report_too_slow("a message");
  end(CloseCode::normal, EndReason::timeout);
}

// --- Memory

std::size_t Session::held_bytes() const {
  std::size_t held = service_.transport().held_output(connection_);
  if (opening_) held += opening_->head.capacity();
  if (long_reply_ != nullptr) held += long_reply_->size();
  if (inbound_) held += inbound_->message.capacity() + inbound_->waiting_bytes;
  if (call_ != nullptr) held += call_->size_bytes();
  if (reply_ != nullptr) held += reply_->size_bytes() + reply_->result_bytes();
  if (block_job_ != nullptr) held += block_job_->data.size() + block_job_->found.size();
  return held;
}

void Session::end_for_memory() {
  ended_for_memory_ = true;
  end(CloseCode::normal, EndReason::overflow);
  inbound_.reset();
  service_.transport().close(connection_, engine::CloseMode::abort);
}

void Session::on_memory() {
  lacks_memory_ = false;
  resume_reading_if_free();
}

void Session::resume_reading_if_free() {
  if (reading_paused_ || lacks_memory_ || phase_ == Phase::closing) return;
  service_.transport().resume_reading(connection_);
}

std::size_t Session::max_message_bytes() const {
  const auto& settings = service_.settings();
  return phase_ == Phase::handshake
             ? std::min(settings.max_handshake_bytes, settings.max_message_bytes)
             : settings.max_message_bytes;
}

/// Strangers get little memory.
std::size_t Session::high_water() const {
  const auto& settings = service_.settings();
  return is_stranger() ? std::min(settings.stranger_high_water, settings.output_high_water)
                       : settings.output_high_water;
}

/// A peer that does not read gets one Pong for all Pings that it sends meanwhile (RFC 6455 §5.5.3).
void Session::answer_ping(Bytes payload) {
  auto& transport = service_.transport();
  if (transport.pending_output(connection_) <= service_.settings().pong_high_water) {
    return websocket::write_frame(output(), websocket::Opcode::pong, payload);
  }
  inbound().ping.emplace(payload.begin(), payload.end());
  transport.call_when_drained(connection_);
}

void Session::read_control(const websocket::FramePart& part) {
  switch (part.opcode) {
    case websocket::Opcode::ping:
      return answer_ping(part.payload);
    case websocket::Opcode::close: {
      const auto close = websocket::parse_close(part.payload);
      if (!close.valid) {
        return end(static_cast<CloseCode>(close.code), EndReason::protocol_error);
      }
      return end(CloseCode::normal, EndReason::client);
    }
    default:
      return;  // an unasked Pong has no effect
  }
}

void Session::on_message(std::span<std::byte> message, bool is_text) {
  service_.counts().received_messages.add();
  if (is_text && !is_utf8(as_text(message))) {
    return end(CloseCode::invalid_text, EndReason::protocol_error);
  }
  cancel_long_poll();
  if (!busy() && (!inbound_ || inbound_->waiting.empty())) return handle_message(message, is_text);

  auto& in = inbound();
  in.waiting.push_back({{message.begin(), message.end()}, is_text});
  in.waiting_bytes += message.size();
  pause_if_too_much_waits();
}

/// A client has nothing to say before the handshake's result.
void Session::pause_if_too_much_waits() {
  const auto& settings = service_.settings();
  const auto& in = *inbound_;
  if (phase_ != Phase::handshake && in.waiting_bytes <= settings.max_waiting_bytes &&
      in.waiting.size() <= settings.max_waiting_requests) {
    return;
  }
  reading_paused_ = true;
  service_.transport().pause_reading(connection_);
}

void Session::cancel_long_poll() {
  if (!idles() || !spec_->long_poll) return;
  log::info("Request cancelled", "connection {}: {} cancelled by the next request", conn_id(),
            log::field("cmd", spec_->name), log::field("duration", request_seconds()),
            log::field("organization_id", organization_id()), log::field("device_id", device_id()));
  command_.reset();
  rest_listening();
  leave_command();
}

Session::Inbound& Session::inbound() {
  if (!inbound_) inbound_ = std::make_unique<Inbound>();
  return *inbound_;
}

void Session::trim_inbound() {
  if (inbound_ && inbound_->empty()) inbound_.reset();
}

// --- The handshake

void Session::claim_identity(Identity identity) {
  assert(!attached_ && phase_ == Phase::handshake);
  identity_ = std::move(identity);
  if (identity_.organization_id.empty()) return;  // administration
  service_.router().attach(*this);
  attached_ = true;
}

bool Session::join_invitation(std::string_view greeter) {
  joined_ = true;
  return service_.presence().join({identity_.organization_id, *identity_.token}, greeter,
                                  connection_);
}

void Session::on_presence_told() {
  if (awaiting_ == Awaiting::presence) continue_command();
}

void Session::release_identity() {
  if (std::exchange(joined_, false)) {
    service_.presence().leave({identity_.organization_id, *identity_.token});
  }
  if (attached_) service_.router().detach(*this);
  attached_ = false;
}

void Session::accept(const VerifyKey& verify_key, Profile profile) {
  identity_.verify_key = verify_key;
  identity_.profile = profile;
  write_result(output(), "ok", {});
  service_.counts().sent_messages.add();
  service_.counts().handshake(api_major_, "ok");
  become(use_of(identity_.kind));
  service_.transport().clear_deadline(connection_);
  opening_.reset();
  phase_ = Phase::commands;
  if (!is_stranger()) service_.no_stranger_any_more(connection_);
  log::info("Connection established", "connection {}: {} organization={} device={}", conn_id(),
            log::field("handshake_type", name(identity_.kind)),
            log::field("organization_id", organization_id()), log::field("device_id", device_id()));
  if (withdrawn_) end(CloseCode::normal, *withdrawn_);
}

void Session::refuse(std::string_view result, std::string_view help) {
  log::info("Connection dropped: bad handshake", "connection {}: handshake refused, {} ({})",
            conn_id(), log::field("result", result), log::field("reason", help),
            log::field("organization_id", organization_id()), log::field("device_id", device_id()));
  write_result(output(), result, help);
  service_.counts().sent_messages.add();
  service_.counts().handshake(api_major_, result);
  end(CloseCode::normal, EndReason::refused);
}

// --- Requests

void Session::handle_message(Bytes message, bool is_text) {
  if (log::info.enabled()) request_began_ = engine::Clock::now();
  request_turn_ = service_.transport().now();
  database_wait_ = database_time_ = {};
  counts_ = nullptr;
  if (is_text) return refuse_format();
  if (phase_ == Phase::handshake) return run_command(handshake(*this, message), nullptr);
  handle_request(message);
}

void Session::handle_request(Bytes message) {
  const auto document = msgpack::parse(message);
  if (!document || document->kind() != msgpack::Kind::map) return refuse_format();

  const auto cmd = document->find("cmd");
  const auto* spec =
      cmd && cmd->kind() == msgpack::Kind::str ? find_command(identity_.kind, cmd->str()) : nullptr;
  counts_ = &service_.counts().of(identity_.kind, spec);
  if (spec == nullptr) {
    reply_error("unknown_command", "Unknown command");
    return after_command();
  }
  log::debug("Request received", "connection {}: {} request of {} bytes", conn_id(),
             log::field("cmd", spec->name), log::field("bytes", message.size()),
             log::field("organization_id", organization_id()),
             log::field("device_id", device_id()));
  run_command(spec->run(*this, Fields{*document}), spec);
}

void Session::refuse_format() {
  counts_ = &service_.counts().of(identity_.kind, nullptr);
  reply_error("invalid_msg_format", "Invalid message format");
  end(CloseCode::normal, EndReason::protocol_error);
}

void Session::run_command(Command command, const CommandSpec* spec) {
  assert(!command_);
  command_ = std::move(command);
  spec_ = spec;
  resume_command();
}

void Session::resume_command() {
  assert(command_ && !running_);
  awaiting_ = Awaiting::nothing;
  running_ = true;
  command_.resume();
  running_ = false;
  if (phase_ == Phase::closing || command_.done()) {
    command_.reset();
    after_command();
  }
}

void Session::continue_command() {
  resume_command();
  serve_waiting();
}

void Session::after_command() {
  stop_listening();
  leave_command();
}

void Session::leave_command() {
  awaiting_ = Awaiting::nothing;
  spec_ = nullptr;
  release_results();
  if (service_.shutting_down()) return end(CloseCode::normal, EndReason::shutdown);
  if (phase_ == Phase::closing) return;
  auto& transport = service_.transport();
  if (transport.pending_output(connection_) > high_water()) {
    output_blocked_ = true;  // until on_drained
    transport.call_when_drained(connection_);
  }
  if (phase_ == Phase::commands && is_stranger()) {
    transport.set_deadline(connection_, service_.settings().anonymous_timeout);
  }
}

void Session::serve_waiting() {
  if (!inbound_) return;
  auto& waiting = inbound_->waiting;
  std::size_t served = 0;
  while (served < waiting.size() && phase_ != Phase::closing) {
    cancel_long_poll();
    if (busy()) break;
    const auto request = std::move(waiting[served++]);
    inbound_->waiting_bytes -= request.bytes.size();
    handle_message(request.bytes, request.is_text);
  }
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(served));
  if (waiting.empty() && reading_paused_ && phase_ != Phase::closing) {
    reading_paused_ = false;
    resume_reading_if_free();
  }
  trim_inbound();
}

void Session::on_drained() {
  output_blocked_ = false;
  if (inbound_ && inbound_->ping) {
    const auto payload = *std::exchange(inbound_->ping, {});
    answer_ping(payload);
  }
  serve_waiting();
}

void Session::on_deadline() {
  if (awaiting_ == Awaiting::topic_event) return on_topic_deadline();
  if (awaiting_ == Awaiting::pause) return continue_command();
  if (phase_ == Phase::commands && command_) return;  // counts again when it is over
  report_too_slow(phase_ == Phase::http        ? "request head"
                  : phase_ == Phase::handshake ? "handshake"
                                               : "nothing asked");
  if (phase_ == Phase::http) {
    end_reason_ = EndReason::timeout;
    return service_.transport().close(connection_, engine::CloseMode::abort);
  }
  end(CloseCode::normal, EndReason::timeout);
}

void Session::leave_as_stranger() {
  log::info("Connection dropped: room for another", "connection {}: makes room for another",
            conn_id());
  service_.transport().close(connection_, engine::CloseMode::abort);
  end_reason_ = EndReason::overflow;
  phase_ = Phase::closing;
  release_identity();
}

void Session::start_pause(std::chrono::milliseconds duration) {
  awaiting_ = Awaiting::pause;
  service_.transport().set_deadline(connection_, duration);
}

void Session::start_yield() {
  awaiting_ = Awaiting::turn;
  service_.yield_turn(connection_,
                      db::functions::flow_of(identity_.organization_id, {}).organization);
}

void Session::on_turn_again() {
  if (awaiting_ == Awaiting::turn) continue_command();
}

/// The command under way is answered first, unless it waits for what others do: it may have its
/// effect already. What waits behind it is not begun.
void Session::on_shutdown() {
  const bool finishes = awaiting_ != Awaiting::nothing && awaiting_ != Awaiting::pause && !idles();
  if (!finishes) end(CloseCode::normal, EndReason::shutdown);
}

void Session::end(CloseCode code, EndReason reason) {
  if (phase_ == Phase::closing) return;
  end_reason_ = reason;
  if (phase_ != Phase::http) websocket::write_close(output(), static_cast<std::uint16_t>(code));
  service_.transport().close(connection_, engine::CloseMode::after_flush);
  phase_ = Phase::closing;
  release_identity();
  drop_subscription();
  if (!running_) {
    command_.reset();
    after_command();
  }
}

// --- Replies

Reply Session::reply_ok(std::uint32_t fields, std::size_t size_hint) {
  note_reply("ok", status_ok);
  return Reply{output(), "ok", fields, size_hint};
}

void Session::begin_long_reply(const engine::OutputBuffer& reply) {
  note_reply("ok", status_ok);
  long_reply_ = &reply;
}

void Session::send_long_reply(engine::OutputBuffer& reply) {
  forget_long_reply();
  auto& out = output();
  if (out.empty()) {
    out = std::move(reply);
  } else {
    out.append(reply.bytes());
  }
}

void Session::reply_error(std::string_view status, std::string_view reason) {
  note_reply(status, index_of_status(status));
  Reply reply{output(), status, reason.empty() ? 0u : 1u};
  if (!reason.empty()) reply.key("reason").str(reason);
}

void Session::reply_bad_message(const Fields& fields) {
  note_reply("bad_message", index_of_status("bad_message"));
  Reply reply{output(), "bad_message", 2};
  fields.write_errors(reply.key("errors"));
  reply.key("reason").str("Invalid message.");
}

void Session::reply_invalid_certification(const CertificateError& error) {
  reply_error("invalid_certification", "Invalid certification data (" + error.detail + ").");
}

void Session::reply_event(const SharedEvent& event) {
  note_reply("ok", status_ok);
  service_.counts().delivered_events[event.event().content.index()].add();
  output().append(event.reply_message());
}

/// Exactly one for each request, while it is answered.
void Session::note_reply(std::string_view status, std::size_t index) {
  service_.counts().sent_messages.add();
  if (counts_ != nullptr) counts_->statuses[index].add();
  if (counts_ != nullptr && counts_->is_timed) {
    const auto duration = service_.transport().now() - request_turn_;
    counts_->duration.record(duration);
    counts_->database_wait.record(database_wait_);
    const auto slow = service_.settings().slow_request;
    if (slow.count() > 0 && duration >= slow) {
      report_slow(std::chrono::duration_cast<engine::Duration>(duration));
    }
  }
  log::info("Request", "connection {}: organization={} device={} cmd={} status={} duration={:.6f}",
            conn_id(), log::field("organization_id", organization_id()),
            log::field("device_id", device_id()),
            log::field("cmd", spec_ == nullptr ? std::string_view{"?"} : spec_->name),
            log::field("status", status), log::field("duration", request_seconds()));
}

/// Wait and time in the database are sums over the request's calls.
void Session::report_slow(engine::Duration duration) const {
  const auto seconds = [](auto time) { return std::chrono::duration<double>(time).count(); };
  log::warn(
      "Slow request",
      "connection {}: organization={} cmd={} took {:.3f} s: {:.3f} s in the database's queue, "
      "{:.3f} s in the database",
      conn_id(), log::field("organization_id", organization_id()), log::field("cmd", spec_->name),
      log::field("duration", seconds(duration)),
      log::field("database_wait", seconds(database_wait_)),
      log::field("database_time", seconds(database_time_)));
}

void Session::report_too_slow(std::string_view at) const {
  log::info("Connection dropped: too slow", "connection {}: too slow ({})", conn_id(),
            log::field("at", at), log::field("organization_id", organization_id()),
            log::field("device_id", device_id()));
}

log::Field<log::ConnectionName> Session::conn_id() const {
  return log::connection(service_.shard(), connection_);
}

double Session::request_seconds() const {
  if (!log::info.enabled()) return 0;
  return std::chrono::duration<double>(engine::Clock::now() - request_began_).count();
}

}  // namespace parsec::protocol
