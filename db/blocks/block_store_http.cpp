// See block_store_http.h.
#include "db/blocks/block_store_http.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "engine/host/log.h"

namespace parsec::db {

namespace {

/// What an operation costs beside its block.
constexpr std::size_t overhead = 1024;

/// Requests that a store may have of its own, outside of any operation.
constexpr std::size_t most_own_requests = 1;

/// Of a user among those of all organizations.
std::uint64_t key_of(const engine::FlowKey& flow) { return flow.organization * 31 ^ flow.user; }

constexpr std::uint64_t own_tag = std::numeric_limits<std::uint64_t>::max();

}  // namespace

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      result += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      result += {'%', digits[octet >> 4], digits[octet & 15]};
    }
  }
  return result;
}

std::string object_name(const BlockJob& job) {
  return percent_encoded(job.organization_id) + "/" + job.block_id.text();
}

std::string failure_text(const engine::OutboundRequest& request) {
  switch (request.result) {
    case engine::OutboundRequest::Result::answered:
      return "answered " + std::to_string(request.status);
    case engine::OutboundRequest::Result::timed_out:
      return "did not answer in time";
    case engine::OutboundRequest::Result::failed:
      return "cannot be used (" + request.failure + ")";
  }
  return {};
}

// --- ObjectStorage

bool ObjectStorage::reserve(std::size_t bytes) {
  if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= max_bytes_) return true;
  give_back(bytes);
  return false;
}

std::size_t ObjectStorage::free_bytes() const {
  const auto taken = bytes_.load(std::memory_order_relaxed);
  return taken < max_bytes_ ? max_bytes_ - taken : 0;
}

std::string ObjectStorage::dump() const {
  return fmt::format("block store {}: working={} bytes_under_way={} {}\n", name_,
                     failing_.load(std::memory_order_relaxed) ? "no" : "yes",
                     bytes_.load(std::memory_order_relaxed), destination_.counts().text());
}

void ObjectStorage::works() {
  if (!failing_.load(std::memory_order_relaxed)) return;
  if (failing_.exchange(false)) {
    log::warn("Block store answers again", "block store {}: answers again",
              log::field("store", name_));
  }
}

void ObjectStorage::fails(std::string_view why) {
  if (!failing_.exchange(true)) {
    log::error("Block store fails", "block store {}: {}; further failures are logged at DEBUG",
               log::field("store", name_), log::field("reason", why));
  } else {
    log::debug("Block store fails", "block store {}: {}", log::field("store", name_),
               log::field("reason", why));
  }
}

// --- HttpBlockStore

HttpBlockStore::~HttpBlockStore() {
  for (auto& operation : operations_) {
    if (operation.job == nullptr) continue;
    storage_.give_back(operation.reserved);
    release(operation.job);
  }
  for (auto* job : completed_) release(job);
}

HttpBlockStore::Place HttpBlockStore::new_operation(Kind kind, BlockJob* job) {
  if (free_places_.empty()) {
    free_places_.push_back(operations_.size());
    operations_.emplace_back();
  }
  const auto place = free_places_.back();
  free_places_.pop_back();
  const auto now = engine::Clock::now();
  const auto since = job == nullptr || job->since == engine::TimePoint{} ? now : job->since;
  operations_[place] = {.kind = kind, .job = job, .deadline = since + storage_.timeout()};
  return place;
}

/// Each organization as much as is free, each user as much as is left to the organization.
bool HttpBlockStore::may_have(const engine::FlowKey& flow, std::size_t bytes) const {
  const auto most = storage_.outstanding() - most_own_requests;
  const auto under_way = operations_.size() - free_places_.size();
  const engine::FlowShares::Amount free{most - std::min(most, under_way), storage_.free_bytes()};
  if (!organizations_.admits(flow.organization, bytes, free)) return false;
  const auto taken = organizations_.taken_by(flow.organization);
  return users_.admits(key_of(flow), bytes,
                       {free.requests - std::min(free.requests, taken.requests),
                        free.bytes - std::min(free.bytes, taken.bytes)});
}

void HttpBlockStore::reserve(Operation& operation, std::size_t bytes) {
  operation.reserved = bytes;
  organizations_.add(operation.job->flow.organization, bytes);
  users_.add(key_of(operation.job->flow), bytes);
}

void HttpBlockStore::give_back(const Operation& operation) {
  storage_.give_back(operation.reserved);
  organizations_.remove(operation.job->flow.organization, operation.reserved);
  users_.remove(key_of(operation.job->flow), operation.reserved);
}

bool HttpBlockStore::submit(BlockJob* job) {
  const bool creates = job->kind == BlockJob::Kind::create;
  const auto bytes = overhead + (creates ? job->data.size() : largest_object);
  const bool waited = job->since != engine::TimePoint{};
  const bool late = waited && engine::Clock::now() >= job->since + storage_.timeout();
  if (!late && !may_have(job->flow, bytes)) return false;
  if (late || !storage_.reserve(bytes)) {
    storage_.fails("too much is under way");
    job->outcome = BlockOutcome::timeout;
    completed_.push_back(job);
    return true;
  }
  const auto place = new_operation(creates ? Kind::create : Kind::read, job);
  reserve(operations_[place], bytes);
  begin(place);
  return true;
}

std::unique_ptr<HttpBlockStore::Request> HttpBlockStore::request_for(Place place) {
  auto& operation = operations_[place];
  auto request = std::make_unique<Request>();
  request->deadline = operation.deadline;
  if (operation.job != nullptr) request->flow = operation.job->flow;
  switch (operation.kind) {
    case Kind::create:
      request->method = Request::Method::put;
      request->body = std::move(operation.job->data);
      request->headers = {"Content-Type: application/octet-stream"};
      break;
    case Kind::read:
      request->method = Request::Method::get;
      break;
    case Kind::check:
      request->method = Request::Method::head;
      break;
  }
  request->largest_answer = largest_object;
  return request;
}

void HttpBlockStore::send(Place place, std::unique_ptr<Request> request) {
  request->tag = place;
  if (!channel_.submit(request)) fail(place, "has too many requests under way");
}

bool HttpBlockStore::send_own(std::unique_ptr<Request> request) {
  request->tag = own_tag;
  request->deadline = engine::Clock::now() + storage_.timeout();
  return channel_.submit(request);
}

void HttpBlockStore::finish(Place place, BlockOutcome outcome) {
  auto& operation = operations_[place];
  if (outcome != BlockOutcome::timeout) storage_.works();
  if (operation.kind == Kind::check) {
    checked_ = true;
  } else {
    give_back(operation);
    auto* job = std::exchange(operation.job, nullptr);
    job->outcome = outcome;
    if (operation.kind == Kind::create) job->data = {};
    if (outcome == BlockOutcome::ok) job->found = job->data;
    completed_.push_back(job);
  }
  free_places_.push_back(place);
}

void HttpBlockStore::fail(Place place, std::string_view why, bool may_pass) {
  if (operations_[place].kind == Kind::check) {
    check_result_ = std::unexpected(
        CheckFailure{"Block store " + storage_.name() + " " + std::string{why}, may_pass});
  } else {
    storage_.fails(why);
  }
  finish(place, BlockOutcome::timeout);
}

void HttpBlockStore::take_answers() {
  while (auto request = channel_.next_reply()) {
    if (request->tag == own_tag) {
      on_own_answer(*request);
      continue;
    }
    const Place place = request->tag;
    auto& operation = operations_[place];
    // Back from where they were lent; an answer to a `read` is its block.
    if (operation.kind == Kind::create) operation.job->data = std::move(request->body);
    if (operation.kind == Kind::read) operation.job->data = std::move(request->answer);
    on_answer(place, *request);
  }
}

BlockJob* HttpBlockStore::next_completion() {
  take_answers();
  if (completed_.empty()) return nullptr;
  auto* job = completed_.front();
  completed_.pop_front();
  return job;
}

std::expected<void, HttpBlockStore::CheckFailure> HttpBlockStore::check() {
  engine::Waker& waker = storage_.check_waker();
  channel_.set_waker(&waker);
  checked_ = false;
  check_result_ = {};
  begin(new_operation(Kind::check, nullptr));
  while (true) {
    channel_.flush();
    take_answers();
    if (checked_) break;
    channel_.flush();
    waker.park();
    if (!channel_.has_replies()) {
      pollfd entry{waker.fd(), POLLIN, 0};
      ::poll(&entry, 1, -1);
    }
    waker.unpark();
    waker.drain();
  }
  return std::move(check_result_);
}

}  // namespace parsec::db
