// Events of one topic, as a command waits for them (topic.h).
#include <cassert>
#include <utility>

#include "protocol/session/service.h"
#include "protocol/session/session.h"

namespace parsec::protocol {

void Session::listen(Topic topic) {
  assert(attached_);
  if (listening_ && listening_->caught_up && listening_->topic == topic) return;
  stop_listening();
  listening_ = std::make_unique<Listening>(Listening{.topic = std::move(topic)});
  service_.router().listen(*this);
}

/// The command is cancelled amid its wait. The next one may wait for the same, as an *_invite
/// behind an *_invite does, and misses nothing in between (protocol/1-transport.md §1.2).
void Session::rest_listening() {
  if (listening_ && awaiting_ == Awaiting::topic_event)
    service_.transport().clear_deadline(connection_);
}

void Session::stop_listening() {
  if (!listening_) return;
  rest_listening();
  if (attached_) service_.router().stop_listening(*this);
  listening_.reset();
}

void Session::start_catching_up() {
  assert(listening_);
  awaiting_ = Awaiting::fence;
  service_.database().request_fence(connection_.packed());
}

void Session::finish_catching_up() {
  listening_->heard = {};
  listening_->gap = false;
  listening_->caught_up = true;
  continue_command();
}

bool Session::has_topic_event() const { return listening_->heard || listening_->gap; }

void Session::wait_for_topic_event(std::optional<std::chrono::milliseconds> timeout) {
  if (service_.shutting_down()) return end(CloseCode::normal, EndReason::shutdown);
  awaiting_ = Awaiting::topic_event;
  if (timeout) service_.transport().set_deadline(connection_, *timeout);
}

TopicEvent Session::take_topic_event() {
  auto& listening = *listening_;
  if (std::exchange(listening.gap, false)) return {TopicEvent::Kind::gap, {}};
  if (listening.heard) return {TopicEvent::Kind::event, std::exchange(listening.heard, {})};
  assert(listening.too_late);
  listening.too_late = false;
  return {TopicEvent::Kind::timeout, {}};
}

void Session::on_topic_event(const EventPointer& event) {
  if (!listening_ || !listening_->topic.includes(event->event().content)) return;
  if (!listening_->heard) listening_->heard = event;
  end_wait_for_topic_event();
}

void Session::on_gap() {
  if (subscription_) return end(CloseCode::normal, EndReason::database);
  if (!listening_) return;
  listening_->gap = true;
  end_wait_for_topic_event();
}

void Session::on_topic_deadline() {
  listening_->too_late = true;
  end_wait_for_topic_event();
}

void Session::end_wait_for_topic_event() {
  if (awaiting_ != Awaiting::topic_event) return;
  // Who left must not go on talking: its end comes with on_closed, in a moment.
  if (!service_.transport().is_open(connection_)) return;
  service_.transport().clear_deadline(connection_);
  continue_command();
}

}  // namespace parsec::protocol
