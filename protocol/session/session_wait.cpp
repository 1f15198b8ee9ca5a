// What a command may wait for: the database, an event, its subscription, a block store.
#include <algorithm>
#include <cassert>
#include <utility>

#include "db/functions/route.h"
#include "engine/host/log.h"
#include "protocol/session/service.h"
#include "protocol/session/session.h"

namespace parsec::protocol {

// --- The database

db::Request& Session::new_call() {
  assert(call_ == nullptr);
  call_ = service_.database().acquire();
  call_->tag = connection_.packed();
  call_->flow = db::functions::flow_of(organization_id(), user_id());
  return *call_;
}

db::Request& Session::repeat_call() {
  assert(reply_ != nullptr);
  auto& call = new_call();
  call.repeat(*reply_);
  return call;
}

void Session::start_call(db::Request& call) {
  assert(&call == call_);
  awaiting_ = Awaiting::database;
  call_turn_ = service_.transport().now();
  submit_call();
}

void Session::submit_call() {
  if (service_.database().submit(call_)) {
    call_ = nullptr;
  } else {
    service_.wait_for_database(connection_);
  }
}

void Session::on_database_capacity() {
  if (call_ != nullptr && !running_) submit_call();
}

void Session::on_database_reply(db::Request* request) {
  const bool awaited = awaiting_ == Awaiting::database || awaiting_ == Awaiting::subscription;
  if (!awaited) return service_.database().release(request);  // its command was abandoned
  if (reply_ != nullptr) service_.database().release(reply_);
  reply_ = request;
  const auto taken = service_.transport().now() - call_turn_;
  database_time_ += request->execution_time;
  database_wait_ += std::max(taken - request->execution_time, std::chrono::nanoseconds::zero());
  if (request->outcome != db::Outcome::ok || request->rows().count() == 0) {
    return fail_call(*request);
  }
  if (author_is_gone(*request)) return;
  if (request->result_bytes() > service_.settings().max_result_bytes) {
    log::error("Reply too large", "connection {}: {} gives {} bytes, more than a reply may hold",
               conn_id(), log::field("function", request->function->name),
               log::field("bytes", request->result_bytes()),
               log::field("organization_id", organization_id()),
               log::field("device_id", device_id()));
    return end(CloseCode::internal_error, EndReason::error);
  }
  if (awaiting_ == Awaiting::subscription) return finish_subscription_if_loaded();
  continue_command();
}

void Session::fail_call(const db::Request& reply) {
  log::error("Request failed in the database", "connection {}: {} failed in the database ({} {})",
             conn_id(), log::field("function", reply.function->name),
             log::field("reason", name(reply.outcome)), log::field("sqlstate", reply.sqlstate),
             log::field("organization_id", organization_id()),
             log::field("device_id", device_id()));
  end(CloseCode::internal_error, EndReason::database);
}

bool Session::author_is_gone(const db::Request& reply) {
  // Every function of an authenticated command looks its author up inside its transaction, so a
  // right that was withdrawn is never served, even if the event that tells of it was missed.
  const auto status = reply.rows().status();
  if (status == "author_revoked" || status == "organization_expired") {
    end(CloseCode::normal, status == "author_revoked" ? EndReason::revoked : EndReason::expired);
    return true;
  }
  if (status == "author_unknown") {  // the database was replaced under us
    end(CloseCode::internal_error, EndReason::error);
    return true;
  }
  return false;
}

/// What the command that is over has left. A call that the full ring never took is dropped: nobody
/// waits for it any more, and it had no effect yet.
void Session::release_results() {
  if (call_ != nullptr) service_.database().release(std::exchange(call_, nullptr));
  if (reply_ != nullptr) service_.database().release(std::exchange(reply_, nullptr));
  if (block_job_ != nullptr) service_.blocks().release(std::exchange(block_job_, nullptr));
}

// --- Block stores

db::BlockJob& Session::new_block_job() {
  if (block_job_ != nullptr) service_.blocks().release(block_job_);
  block_job_ = service_.blocks().acquire();
  block_job_->tag = connection_.packed();
  block_job_->flow = db::functions::flow_of(organization_id(), user_id());
  return *block_job_;
}

void Session::start_block_job(db::BlockJob& job) {
  assert(&job == block_job_);
  job.since = service_.transport().now();
  awaiting_ = Awaiting::blocks;
  on_block_capacity();
}

void Session::on_block_capacity() {
  if (block_job_ == nullptr || awaiting_ != Awaiting::blocks) return;
  if (service_.blocks().submit(block_job_)) {
    block_job_ = nullptr;
  } else {
    service_.wait_for_blocks(connection_);
  }
}

void Session::on_block_reply(db::BlockJob* job) {
  if (awaiting_ != Awaiting::blocks) return service_.blocks().release(job);
  block_job_ = job;
  continue_command();
}

// --- Events

void Session::on_event(const EventPointer& event) {
  const auto& content = event->event().content;
  // A claimer hears of its own invitation's deletion only.
  const bool deleted = identity_.kind == ConnectionKind::invited &&
                       std::holds_alternative<InviteStatusChanged>(content);
  const bool revoked = std::holds_alternative<UserRevoked>(content);
  if (deleted || revoked || std::holds_alternative<OrganizationExpired>(content)) {
    const EndReason reason = deleted   ? EndReason::invitation_deleted
                             : revoked ? EndReason::revoked
                                       : EndReason::expired;
    // A handshake under way still tells its result: what the database says, and if that was read
    // before the event committed, the end comes right behind it.
    if (phase_ != Phase::handshake) return end(CloseCode::normal, reason);
    withdrawn_ = reason;
    return;
  }
  // While loading, on_event_while_loading hears it.
  if (!subscription_ || subscription_->state != Subscription::State::active) return;
  if (const auto* change = std::get_if<RealmRolesUpdated>(&content)) change_membership(*change);
  deliver(event);
}

void Session::on_event_while_loading(const EventPointer& event) {
  if (!is_told_to_clients(event->event().content)) return;
  auto& heard = subscription_->heard_while_loading;
  if (heard.size() >= service_.settings().max_waiting_events * 8) {
    service_.counts().event_overflows.add();
    return end(CloseCode::normal, EndReason::overflow);
  }
  heard.push_back(event);
}

namespace {

/// protocol/6-events.md §6.1: of these the author device hears nothing.
bool is_own(const Event::Content& content, std::string_view device_id) {
  if (const auto* pinged = std::get_if<Pinged>(&content)) return pinged->author == device_id;
  if (const auto* vlobs = std::get_if<RealmVlobsUpdated>(&content)) {
    return vlobs->author == device_id;
  }
  if (const auto* maintenance = std::get_if<RealmMaintenance>(&content)) {
    return maintenance->author == device_id;
  }
  return false;
}

/// The user whom alone an event concerns, if it is of that sort.
std::optional<std::string_view> addressee(const Event::Content& content) {
  if (const auto* message = std::get_if<MessageReceived>(&content)) return message->recipient;
  if (const auto* invite = std::get_if<InviteStatusChanged>(&content)) return invite->greeter;
  if (const auto* roles = std::get_if<RealmRolesUpdated>(&content)) return roles->user;
  if (const auto* revoked = std::get_if<UserRevoked>(&content)) return revoked->user_id;
  return std::nullopt;
}

std::optional<Uuid> realm_of(const Event::Content& content) {
  if (const auto* vlobs = std::get_if<RealmVlobsUpdated>(&content)) return vlobs->realm_id;
  if (const auto* maintenance = std::get_if<RealmMaintenance>(&content)) {
    return maintenance->realm_id;
  }
  return std::nullopt;
}

}  // namespace

void Session::deliver(const EventPointer& event) {
  if (is_own(event->event().content, device_id())) return;
  auto& waiting = subscription_->waiting;
  if (waiting.size() >= service_.settings().max_waiting_events) {
    log::warn("Connection dropped: too many events wait",
              "connection {}: more than {} events wait, closing", conn_id(),
              log::field("events", waiting.size()),
              log::field("organization_id", organization_id()),
              log::field("device_id", device_id()));
    service_.counts().event_overflows.add();
    return end(CloseCode::normal, EndReason::overflow);
  }
  waiting.push(event);
  if (awaiting_ == Awaiting::event) continue_command();
}

EventPointer Session::take_waiting_event() { return subscription_->waiting.pop(); }

void Session::change_membership(const RealmRolesUpdated& change) {
  auto& router = service_.router();
  if (change.role) {
    if (subscription_->add(change.realm_id)) router.join(*this, change.realm_id);
  } else {
    if (subscription_->remove(change.realm_id)) router.leave(*this, change.realm_id);
  }
}

// --- Subscribing

void Session::start_subscription(db::Request& call) {
  assert(&call == call_ && !subscription_);
  subscription_ = std::make_unique<Subscription>();
  service_.counts().subscriptions.add();
  service_.router().hear_everything(*this);
  service_.database().request_fence(connection_.packed());
  awaiting_ = Awaiting::subscription;
  call_turn_ = service_.transport().now();
  submit_call();
}

void Session::on_fence(bool kept) {
  const bool loading = awaiting_ == Awaiting::subscription && !subscription_->fenced;
  if (!loading && awaiting_ != Awaiting::fence) return;
  if (!kept) return end(CloseCode::internal_error, EndReason::database);
  if (!loading) return finish_catching_up();
  subscription_->fenced = true;
  subscription_->heard_before_fence = subscription_->heard_while_loading.size();
  finish_subscription_if_loaded();
}

void Session::finish_subscription_if_loaded() {
  if (!subscription_->fenced || reply_ == nullptr) return;
  finish_subscription();
  if (phase_ != Phase::closing) continue_command();
}

void Session::finish_subscription() {
  auto& router = service_.router();
  router.hear_by_membership(*this);
  subscription_->state = Subscription::State::active;

  const auto rows = reply_->rows();
  for (int row = 1; row < rows.count(); ++row) {
    const auto realm_id = rows.uuid(row, 1);
    if (subscription_->add(realm_id)) router.join(*this, realm_id);
  }
  const auto heard = std::exchange(subscription_->heard_while_loading, {});
  for (std::size_t i = 0; i < heard.size() && phase_ != Phase::closing; ++i) {
    const auto& content = heard[i]->event().content;
    const auto user = addressee(content);
    if (user && *user != user_id()) continue;
    if (i < subscription_->heard_before_fence) {
      if (const auto* change = std::get_if<RealmRolesUpdated>(&content)) change_membership(*change);
      continue;
    }
    const auto realm = realm_of(content);
    if (realm && !subscription_->is_member(*realm)) continue;
    on_event(heard[i]);
  }
}

}  // namespace parsec::protocol
