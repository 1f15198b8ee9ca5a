// HTTP to the outside: threads that drive libcurl for shards, which never block.
//
//   Outbound outbound{{.threads = 1, .channels = shards}};
//   auto& store = outbound.add({.connections = 32});   // before start()
//   outbound.start();
//   shard i: auto& channel = store.channel(i);
//            channel.submit(std::move(request)); channel.flush(); … channel.next_reply()
//
// A destination is one service with bounds of its own (connections, waiting requests), so that one
// that is dead or slow costs the others nothing; all its connections live on one thread, which
// keeps them open for reuse. Requests of all shards wait for a free connection in one line, where
// organizations take turns by the bytes they move, and then their users (fair_queue.h); none may
// have so many under way that the next one who comes finds no connection. Their time runs
// meanwhile. What may be repeated without harm is: after a lost connection or an answer that says
// "not now", as long as time is left.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/handler.h"
#include "engine/queues/fair_order.h"
#include "engine/queues/spsc_ring.h"
#include "engine/queues/waker.h"

namespace parsec::engine {

/// AWS Signature Version 4.
struct AwsSigning {
  std::string region;
  std::string service;
  std::string key;
  std::string secret;
};

/// One HTTP request, then its answer. It has one owner at a time: the shard, or the Outbound
/// between submit() and next_reply().
struct OutboundRequest {
  enum class Method : std::uint8_t { get, head, put };
  enum class Result : std::uint8_t {
    answered,   // completely; see status
    timed_out,  // no complete answer by the deadline
    failed,     // unreachable, connection lost, an answer that is none or too large
  };

  // --- Set by the shard

  std::uint64_t tag = 0;  // given back unchanged
  FlowKey flow;           // whose turn it takes
  Method method = Method::get;
  std::string url;                   // percent-encoded
  std::vector<std::string> headers;  // "Name: value"
  std::vector<std::byte> body;       // put
  std::optional<AwsSigning> signing;
  TimePoint deadline{};  // of everything: waiting, connecting, repeating
  std::size_t largest_answer = std::size_t{1} << 20;

  // --- Set by the Outbound

  Result result = Result::failed;
  long status = 0;
  std::vector<std::byte> answer;
  std::string answer_head;  // status line and header lines
  /// It may well be otherwise later: unreachable, too slow, or an answer that says "not now".
  bool may_pass = false;
  std::string failure;  // for people, where there is no answer; no secret in it

  /// Value of an answer's header, "" if it has none.
  std::string_view answer_header(std::string_view name) const;
};

struct OutboundDestinationSettings {
  std::uint32_t connections = 32;
  /// Of bodies and answers on these connections together; one request passes whatever it is.
  std::size_t bytes_under_way = std::size_t{32} << 20;
  /// Requests of one shard that may be under way, waiting ones included. A power of two.
  std::uint32_t outstanding = 1024;
  std::chrono::milliseconds connect_timeout{3000};
  /// How often a request is tried at most.
  std::uint32_t tries = 3;
  /// Before the second try; twice as long before each further one.
  std::chrono::milliseconds retry_delay{100};
};

/// What a destination has had, and has now. Its thread writes, anybody may read; relaxed: two
/// values may be of different moments.
struct OutboundCounts {
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> retries = 0;
  std::atomic<std::uint64_t> answered = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::atomic<std::uint64_t> timed_out = 0;
  std::atomic<std::size_t> waiting = 0;  // for a connection
  std::atomic<std::size_t> organizations_waiting = 0;
  std::atomic<std::size_t> under_way = 0;  // each on a connection of its own
  std::atomic<std::size_t> resting = 0;    // until another try

  /// `requests=… …`, for people.
  std::string text() const;
};

struct OutboundSettings {
  std::uint32_t threads = 1;
  std::uint32_t channels = 1;  // of each destination: one for each shard
};

/// One shard's end of a destination. That shard's thread only.
class OutboundChannel {
 public:
  OutboundChannel(std::size_t outstanding, Waker& worker)
      : requests_(outstanding), replies_(outstanding), worker_(worker) {}
  ~OutboundChannel();
  OutboundChannel(const OutboundChannel&) = delete;
  OutboundChannel& operator=(const OutboundChannel&) = delete;

  /// False: as many as settled are under way; nothing happened to the request.
  bool submit(std::unique_ptr<OutboundRequest>& request);
  /// In any order; null when there is none now.
  std::unique_ptr<OutboundRequest> next_reply();
  bool has_replies() const { return !replies_.empty(); }
  /// Wakes the thread if anything was submitted since the last flush().
  void flush();
  /// Any thread; see Outbound::set_waker().
  void set_waker(Waker* waker) { shard_waker_.store(waker, std::memory_order_release); }

 private:
  friend class OutboundWorker;

  SpscRing<OutboundRequest*> requests_;
  SpscRing<OutboundRequest*> replies_;
  Waker& worker_;
  std::size_t outstanding_ = 0;
  bool has_submissions_ = false;
  std::atomic<Waker*> shard_waker_ = nullptr;
  bool answered_ = false;  // the worker's: somebody is to be woken
};

class OutboundDestination {
 public:
  OutboundDestination(OutboundDestinationSettings settings, std::uint32_t channels, Waker& worker);

  OutboundChannel& channel(std::uint32_t index) { return *channels_[index]; }
  const OutboundDestinationSettings& settings() const { return settings_; }
  const OutboundCounts& counts() const { return counts_; }

 private:
  friend class Outbound;
  friend class OutboundWorker;

  const OutboundDestinationSettings settings_;
  OutboundCounts counts_;
  std::vector<std::unique_ptr<OutboundChannel>> channels_;
};

class OutboundWorker;

/// Belongs to one thread, but for set_waker().
class Outbound {
 public:
  explicit Outbound(const OutboundSettings& settings);
  ~Outbound();  // stops
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;

  /// Lives as long as this. Before start().
  OutboundDestination& add(OutboundDestinationSettings settings);
  void start();
  /// What is under way is never answered. Idempotent.
  void stop();

  /// Whom to wake when replies are there; null: nobody. A Waker that was set must live until
  /// stop() returned, or until no request of that channel is under way.
  void set_waker(std::uint32_t channel, Waker* waker);

 private:
  const OutboundSettings settings_;
  std::vector<std::unique_ptr<OutboundWorker>> workers_;
  std::vector<std::unique_ptr<OutboundDestination>> destinations_;
};

}  // namespace parsec::engine
