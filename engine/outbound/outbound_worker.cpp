#include "engine/outbound/outbound_worker.h"

#include <pthread.h>

#include <algorithm>
#include <cassert>
#include <csignal>
#include <system_error>
#include <utility>

namespace parsec::engine {

namespace {

using std::chrono::milliseconds;

/// What a request costs beside the bytes it moves: as much as so many of them.
constexpr std::size_t bytes_of_a_request = std::size_t{16} << 10;

/// An organization may have that many times as much under way as is free: alone three quarters of
/// all connections. More of them would be faster for it alone, and its next neighbour would wait.
constexpr std::uint64_t share_of_what_is_free = 3;

/// Of the mean size of answers: how much the newest counts.
constexpr double learning_rate = 0.1;

milliseconds time_left(TimePoint deadline, TimePoint now) {
  return std::chrono::duration_cast<milliseconds>(deadline - now);
}

/// The server is alive and says "not now"; the same request may succeed later.
bool is_temporary(long status) {
  return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/// The connection, not the request, was at fault. A time-out is not tried again: it was waited
/// for long enough.
bool is_lost_connection(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
      return true;
    default:
      return false;
  }
}

/// Not a read-modify-write: there is one writer.
void add_one(std::atomic<std::uint64_t>& count) {
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

/// On the network, as far as can be known before.
std::size_t expected_bytes(const OutboundRequest& request, double mean_answer) {
  const bool gets = request.method == OutboundRequest::Method::get;
  return bytes_of_a_request + request.body.size() +
         (gets ? static_cast<std::size_t>(mean_answer) : 0);
}

}  // namespace

OutboundWorker::OutboundWorker(std::uint32_t number) : number_(number) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
      (multi_ = curl_multi_init()) == nullptr) {
    throw std::system_error(ENOMEM, std::generic_category(), "libcurl");
  }
}

OutboundWorker::~OutboundWorker() {
  stop();
  for (const auto& queue : queues_) {
    for (const auto& transfer : queue->under_way) {
      curl_multi_remove_handle(multi_, transfer->easy);
      curl_easy_cleanup(transfer->easy);
      curl_slist_free_all(transfer->headers);
    }
    for (CURL* easy : queue->idle) curl_easy_cleanup(easy);
  }
  curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

void OutboundWorker::add(OutboundDestination& destination) {
  queues_.push_back(std::make_unique<Queue>());
  queues_.back()->destination = &destination;
  long connections = 0;
  for (const auto& queue : queues_) connections += queue->destination->settings().connections;
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections);  // kept, not opened
}

void OutboundWorker::start() {
  // The thread takes no signal: those are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "outbound");
}

void OutboundWorker::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  waker_.notify();
  thread_.join();
}

void OutboundWorker::run() {
  const WatchedThread watched{"outbound worker " + std::to_string(number_), heartbeat_};
  while (!stopping_.load(std::memory_order_acquire)) {
    take_requests();
    const auto now = Clock::now();
    heartbeat_.beat(now);
    for (const auto& queue : queues_) {
      expire(*queue, now);
      wake_resting(*queue, now);
    }
    start_transfers();
    int running = 0;
    curl_multi_perform(multi_, &running);
    const bool has_room = finish_transfers();
    publish_counts();
    wake_shards();
    if (!has_room) sleep();
  }
}

bool OutboundWorker::take_requests() {
  bool taken = false;
  for (const auto& queue : queues_) {
    for (const auto& channel : queue->destination->channels_) {
      for (OutboundRequest* request = nullptr; channel->requests_.try_pop(request);) {
        auto transfer = std::make_unique<Transfer>();
        transfer->request.reset(request);
        transfer->channel = channel.get();
        transfer->queue = queue.get();
        wait(std::move(transfer), false);
        add_one(queue->destination->counts_.requests);
        taken = true;
      }
    }
  }
  return taken;
}

bool OutboundWorker::has_requests() const {
  return std::ranges::any_of(queues_, [](const auto& queue) {
    return std::ranges::any_of(queue->destination->channels_,
                               [](const auto& channel) { return !channel->requests_.empty(); });
  });
}

void OutboundWorker::wait(std::unique_ptr<Transfer> transfer, bool before_others) {
  Queue& queue = *transfer->queue;
  queue.next_expiry = std::min(queue.next_expiry, transfer->request->deadline);
  const FlowKey flow = transfer->request->flow;
  if (before_others) {
    queue.waiting.push_front(flow, std::move(transfer));
  } else {
    queue.waiting.push_back(flow, std::move(transfer));
  }
}

/// Whether the organization may have one more under way.
bool OutboundWorker::fits(const Queue& queue, std::uint64_t organization, std::size_t bytes) {
  const auto& settings = queue.destination->settings();
  const std::size_t most = settings.bytes_under_way;
  const FlowShares::Amount free{settings.connections - queue.under_way.size(),
                                most - std::min(most, queue.bytes_under_way)};
  return queue.shares.admits(
      organization, bytes,
      {free.requests * share_of_what_is_free, free.bytes * share_of_what_is_free});
}

void OutboundWorker::start_transfers() {
  using Waiting = FairQueue<std::unique_ptr<Transfer>>;
  using Verdict = Waiting::Verdict;
  for (const auto& queue : queues_) {
    if (queue->waiting.empty()) continue;
    const auto& settings = queue->destination->settings();
    queue->waiting.take([&](std::unique_ptr<Transfer>& next) -> Waiting::Decision {
      if (queue->under_way.size() >= settings.connections) return {Verdict::stop};
      const OutboundRequest& request = *next->request;
      const std::size_t bytes = expected_bytes(request, queue->mean_answer);
      if (!queue->under_way.empty() && queue->bytes_under_way + bytes > settings.bytes_under_way) {
        return {Verdict::stop};  // or small ones would overtake it for ever
      }
      if (!fits(*queue, request.flow.organization, bytes)) return {Verdict::skip};
      next->expected_bytes = bytes;
      begin(*queue, std::move(next));
      return {Verdict::take, static_cast<double>(bytes)};
    });
  }
}

void OutboundWorker::begin(Queue& queue, std::unique_ptr<Transfer> transfer) {
  if (queue.idle.empty()) {
    transfer->easy = curl_easy_init();
    if (transfer->easy == nullptr) {
      transfer->request->failure = "out of memory";
      return answer(std::move(transfer));
    }
  } else {
    transfer->easy = queue.idle.back();
    queue.idle.pop_back();
  }
  ++transfer->tries;
  transfer->set_up(queue.destination->settings());
  curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer.get());
  const auto added = curl_multi_add_handle(multi_, transfer->easy);
  assert(added == CURLM_OK);
  static_cast<void>(added);
  queue.shares.add(transfer->request->flow.organization, transfer->expected_bytes);
  queue.bytes_under_way += transfer->expected_bytes;
  queue.under_way.push_back(std::move(transfer));
}

bool OutboundWorker::finish_transfers() {
  bool finished = false;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    finished = true;
    Transfer* done = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &done);
    finish(done, message->data.result);
  }
  return finished;
}

/// What it was let in for is free again; and what it really cost is known now.
void OutboundWorker::settle_costs(Queue& queue, const Transfer& transfer, CURLcode code) {
  const OutboundRequest& request = *transfer.request;
  queue.shares.remove(request.flow.organization, transfer.expected_bytes);
  queue.bytes_under_way -= transfer.expected_bytes;
  if (request.method != OutboundRequest::Method::get || code != CURLE_OK) return;
  const auto answer = static_cast<double>(request.answer.size());
  const auto expected = static_cast<double>(transfer.expected_bytes - bytes_of_a_request);
  queue.waiting.charge(request.flow.organization, answer - expected);
  queue.mean_answer += learning_rate * (answer - queue.mean_answer);
}

void OutboundWorker::finish(Transfer* done, CURLcode code) {
  Queue& queue = *done->queue;
  const auto place = std::ranges::find(queue.under_way, done, &std::unique_ptr<Transfer>::get);
  assert(place != queue.under_way.end());
  auto transfer = std::move(*place);
  *place = std::move(queue.under_way.back());
  queue.under_way.pop_back();

  auto& request = *transfer->request;
  curl_multi_remove_handle(multi_, transfer->easy);
  code = transfer->take_down(code);
  queue.idle.push_back(std::exchange(transfer->easy, nullptr));
  settle_costs(queue, *transfer, code);

  const auto& settings = queue.destination->settings();
  const bool again = code == CURLE_OK ? is_temporary(request.status) : is_lost_connection(code);
  const auto rest = settings.retry_delay * (1 << std::min(transfer->tries - 1, 10U));
  if (again && transfer->tries < settings.tries && Clock::now() + rest < request.deadline) {
    transfer->not_before = Clock::now() + rest;
    add_one(queue.destination->counts_.retries);
    queue.resting.push_back(std::move(transfer));
    return;
  }
  request.may_pass = again || code == CURLE_OPERATION_TIMEDOUT;
  if (code == CURLE_OK) {
    request.result = OutboundRequest::Result::answered;
  } else {
    request.result = code == CURLE_OPERATION_TIMEDOUT ? OutboundRequest::Result::timed_out
                                                      : OutboundRequest::Result::failed;
    request.failure = code == CURLE_WRITE_ERROR    ? "the answer is too large"
                      : transfer->error[0] != '\0' ? transfer->error
                                                   : curl_easy_strerror(code);
    request.answer.clear();
  }
  answer(std::move(transfer));
}

void OutboundWorker::answer(std::unique_ptr<Transfer> transfer) {
  OutboundCounts& counts = transfer->queue->destination->counts_;
  switch (transfer->request->result) {
    case OutboundRequest::Result::answered:
      add_one(counts.answered);
      break;
    case OutboundRequest::Result::failed:
      add_one(counts.failed);
      break;
    case OutboundRequest::Result::timed_out:
      add_one(counts.timed_out);
      break;
  }
  const bool pushed = transfer->channel->replies_.try_push(transfer->request.release());
  assert(pushed);  // it holds all that may be outstanding
  static_cast<void>(pushed);
  transfer->channel->answered_ = true;
}

void OutboundWorker::expire(Queue& queue, TimePoint now) {
  if (now < queue.next_expiry) return;
  queue.next_expiry = TimePoint::max();
  queue.waiting.extract_if([&](std::unique_ptr<Transfer>& transfer) {
    if (now < transfer->request->deadline) {
      queue.next_expiry = std::min(queue.next_expiry, transfer->request->deadline);
      return false;
    }
    transfer->request->result = OutboundRequest::Result::timed_out;
    transfer->request->may_pass = true;
    transfer->request->failure = "no time was left";
    answer(std::move(transfer));
    return true;
  });
}

void OutboundWorker::wake_resting(Queue& queue, TimePoint now) {
  std::erase_if(queue.resting, [&](std::unique_ptr<Transfer>& transfer) {
    if (now < transfer->not_before) return false;
    wait(std::move(transfer), true);
    return true;
  });
}

/// Before the shards learn of answers: who has one sees it counted.
void OutboundWorker::publish_counts() {
  for (const auto& queue : queues_) {
    OutboundCounts& counts = queue->destination->counts_;
    counts.waiting.store(queue->waiting.size(), std::memory_order_relaxed);
    counts.organizations_waiting.store(queue->waiting.organizations(), std::memory_order_relaxed);
    counts.under_way.store(queue->under_way.size(), std::memory_order_relaxed);
    counts.resting.store(queue->resting.size(), std::memory_order_relaxed);
  }
}

void OutboundWorker::wake_shards() {
  for (const auto& queue : queues_) {
    for (const auto& channel : queue->destination->channels_) {
      if (!std::exchange(channel->answered_, false)) continue;
      if (auto* waker = channel->shard_waker_.load(std::memory_order_acquire)) waker->notify();
    }
  }
}

int OutboundWorker::time_to_next(milliseconds most) const {
  auto next = Clock::now() + most;
  const auto now = Clock::now();
  for (const auto& queue : queues_) {
    next = std::min(next, queue->next_expiry);
    for (const auto& transfer : queue->resting) next = std::min(next, transfer->not_before);
  }
  // One more, as the rest of a millisecond would be spent turning.
  return static_cast<int>(
      std::max(milliseconds{0}, time_left(next, now) + milliseconds{1}).count());
}

void OutboundWorker::sleep() {
  waker_.park();
  // After park(), see waker.h.
  if (has_requests() || stopping_.load(std::memory_order_acquire)) {
    waker_.unpark();
    return;
  }
  curl_waitfd extra{waker_.fd(), CURL_WAIT_POLLIN, 0};
  curl_multi_poll(multi_, &extra, 1, time_to_next(heartbeat_interval), nullptr);
  waker_.unpark();
  waker_.drain();
}

}  // namespace parsec::engine
