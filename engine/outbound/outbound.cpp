#include "engine/outbound/outbound.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/outbound/outbound_worker.h"

namespace parsec::engine {

namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

std::string_view OutboundRequest::answer_header(std::string_view name) const {
  for (std::string_view rest = answer_head; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto colon = line.find(':');
    if (colon != line.npos && equal_ignoring_case(line.substr(0, colon), name)) {
      return trimmed(line.substr(colon + 1));
    }
  }
  return {};
}

// --- Channel

OutboundChannel::~OutboundChannel() {
  // The thread has ended: what it never saw, and what nobody fetched.
  for (OutboundRequest* request = nullptr; requests_.try_pop(request);) delete request;
  for (OutboundRequest* request = nullptr; replies_.try_pop(request);) delete request;
}

bool OutboundChannel::submit(std::unique_ptr<OutboundRequest>& request) {
  if (outstanding_ == requests_.capacity()) return false;
  const bool pushed = requests_.try_push(request.get());
  assert(pushed);  // each ring holds all that may be outstanding
  static_cast<void>(request.release());
  ++outstanding_;
  has_submissions_ = true;
  return pushed;
}

std::unique_ptr<OutboundRequest> OutboundChannel::next_reply() {
  OutboundRequest* request = nullptr;
  if (!replies_.try_pop(request)) return nullptr;
  --outstanding_;
  return std::unique_ptr<OutboundRequest>{request};
}

void OutboundChannel::flush() {
  if (!std::exchange(has_submissions_, false)) return;
  worker_.notify();
}

// --- Destination

std::string OutboundCounts::text() const {
  return fmt::format(
      "requests={} retries={} answered={} failed={} timed_out={} waiting={} "
      "organizations_waiting={} "
      "under_way={} resting={}",
      requests.load(std::memory_order_relaxed), retries.load(std::memory_order_relaxed),
      answered.load(std::memory_order_relaxed), failed.load(std::memory_order_relaxed),
      timed_out.load(std::memory_order_relaxed), waiting.load(std::memory_order_relaxed),
      organizations_waiting.load(std::memory_order_relaxed),
      under_way.load(std::memory_order_relaxed), resting.load(std::memory_order_relaxed));
}

OutboundDestination::OutboundDestination(OutboundDestinationSettings settings,
                                         std::uint32_t channels, Waker& worker)
    : settings_(settings) {
  for (std::uint32_t i = 0; i < channels; ++i) {
    channels_.push_back(std::make_unique<OutboundChannel>(settings_.outstanding, worker));
  }
}

// --- All of it

Outbound::Outbound(const OutboundSettings& settings) : settings_(settings) {
  assert(settings.threads > 0);
  for (std::uint32_t i = 0; i < settings.threads; ++i) {
    workers_.push_back(std::make_unique<OutboundWorker>(i));
  }
}

Outbound::~Outbound() { stop(); }

OutboundDestination& Outbound::add(OutboundDestinationSettings settings) {
  OutboundWorker& worker = *workers_[destinations_.size() % workers_.size()];
  destinations_.push_back(
      std::make_unique<OutboundDestination>(settings, settings_.channels, worker.waker()));
  worker.add(*destinations_.back());
  return *destinations_.back();
}

void Outbound::start() {
  for (const auto& worker : workers_) worker->start();
}

void Outbound::stop() {
  for (const auto& worker : workers_) worker->stop();
}

void Outbound::set_waker(std::uint32_t channel, Waker* waker) {
  for (const auto& destination : destinations_) destination->channel(channel).set_waker(waker);
}

}  // namespace parsec::engine
