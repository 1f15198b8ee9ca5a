#include "db/workers/shard_gateway.h"

#include <algorithm>
#include <cassert>
#include <chrono>

namespace parsec::db {

ShardGateway::ShardGateway(std::uint32_t shard, const Settings& settings,
                           std::span<Worker* const> workers, Listener& listener,
                           engine::MemoryBudget& memory)
    : shard_(shard),
      outstanding_limit_(settings.outstanding_requests),
      outstanding_bytes_limit_(settings.outstanding_bytes),
      listener_(listener),
      held_(memory) {
  for (Worker* worker : workers) doors_.push_back({worker});
}

Request* ShardGateway::acquire() {
  if (free_.empty()) {
    requests_.push_back(std::make_unique<Request>());
    return requests_.back().get();
  }
  Request* request = free_.back();
  free_.pop_back();
  return request;
}

void ShardGateway::release(Request* request) {
  request->reset();
  free_.push_back(request);
}

/// Equal routes go to one worker, which keeps them apart. To another one only while that has no
/// connection: then PostgreSQL's locks do.
ShardGateway::Door& ShardGateway::door_for(const Request& request) {
  const std::size_t first = request.route % doors_.size();
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    Door& door = doors_[(first + i) % doors_.size()];
    if (door.worker->connections() > 0) return door;
  }
  return doors_[first];
}

bool ShardGateway::has_room(const Door& door, const Request& request) const {
  if (door.outstanding == 0) return true;  // a single big request passes whatever the limit is
  if (door.outstanding >= outstanding_limit_) return false;
  const engine::FlowShares::Amount free{
      outstanding_limit_ - door.outstanding,
      outstanding_bytes_limit_ - std::min(outstanding_bytes_limit_, door.outstanding_bytes)};
  return request.size_bytes() <= free.bytes &&
         shares_.admits(request.flow.organization, request.size_bytes(), free);
}

bool ShardGateway::submit(Request* request) {
  assert(request->function != nullptr);
  Door& door = door_for(*request);
  if (!has_room(door, *request)) {
    refusals_.store(refusals_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    note_fullness(*request, door);
    return false;
  }
  shares_.add(request->flow.organization, request->size_bytes());
  ++door.outstanding;
  door.outstanding_bytes += request->size_bytes();
  door.has_requests = true;
  held_.add(static_cast<std::int64_t>(request->size_bytes()));
  const bool pushed = door.worker->requests(shard_).try_push(request);
  assert(pushed);  // the ring holds outstanding_limit_
  return pushed;
}

/// Who only has its own share may be refused, too: that is no overload.
void ShardGateway::note_fullness(const Request& refused, const Door& door) {
  const bool is_full = door.outstanding >= outstanding_limit_ ||
                       door.outstanding_bytes + refused.size_bytes() > outstanding_bytes_limit_;
  if (is_full && full_since() == TimePoint{}) {
    full_since_.store(std::chrono::steady_clock::now(), std::memory_order_relaxed);
  }
}

TimePoint ShardGateway::full_since() const { return full_since_.load(std::memory_order_relaxed); }

Request* ShardGateway::next_reply() {
  for (std::size_t tried = 0; tried < doors_.size(); ++tried) {
    Door& door = doors_[next_door_];
    Request* request = nullptr;
    if (door.worker->replies(shard_).try_pop(request)) {
      --door.outstanding;
      door.outstanding_bytes -= request->size_bytes();
      shares_.remove(request->flow.organization, request->size_bytes());
      held_.add(-static_cast<std::int64_t>(request->size_bytes() + request->result_bytes()));
      return request;
    }
    next_door_ = (next_door_ + 1) % doors_.size();
  }
  return nullptr;
}

bool ShardGateway::has_replies() const {
  for (const Door& door : doors_) {
    if (!door.worker->replies(shard_).empty()) return true;
  }
  return false;
}

void ShardGateway::request_fence(std::uint64_t token) { fences_.push_back(token); }

/// What does not fit stays: the ring is full of fences, each of which brings this shard another
/// turn, and with it another flush().
void ShardGateway::push_fences() {
  if (fences_.empty()) return;
  std::size_t pushed = 0;
  while (pushed < fences_.size() && listener_.fences(shard_).try_push(fences_[pushed])) ++pushed;
  fences_.erase(fences_.begin(), fences_.begin() + static_cast<std::ptrdiff_t>(pushed));
  if (pushed > 0) listener_.notify();
}

void ShardGateway::flush() {
  push_fences();
  if (full_since() != TimePoint{} && std::ranges::all_of(doors_, [this](const Door& door) {
        return door.outstanding <= outstanding_limit_ / 2 &&
               door.outstanding_bytes <= outstanding_bytes_limit_ / 2;
      })) {
    full_since_.store(TimePoint{}, std::memory_order_relaxed);
  }
  for (Door& door : doors_) {
    if (!door.has_requests) continue;
    door.has_requests = false;
    door.worker->notify();
  }
}

}  // namespace parsec::db
