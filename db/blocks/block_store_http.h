// What the block stores S3 and SWIFT have in common: blocks are objects behind HTTP, reached
// through an outbound thread.
//
// ObjectStorage is one such service as all shards see it: its name for people, its bounds, whether
// it answers. HttpBlockStore is one shard's endpoint to it; what the requests and the answers look
// like is up to S3BlockStore and SwiftBlockStore.
//
// No organization takes all that may be under way, and no user all of an organization's part:
// beyond its share, a job stays with its shard (submit() says no), while its time runs. What does
// not fit into the bounds of all is answered with `timeout` at once: memory stays bounded however
// slow a service gets. Of what is under way, the outbound thread decides whose turn is next.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "db/blocks/block_store.h"
#include "engine/outbound/outbound.h"
#include "engine/queues/flow_shares.h"
#include "engine/queues/waker.h"

namespace parsec::db {

/// Largest object read: a block has at most 1 MiB (protocol/4-commands.md §4.7), a RAID5 chunk is
/// smaller but for its length.
inline constexpr std::size_t largest_object = (std::size_t{1} << 20) + 64;

/// RFC 3986 §2.1: everything but unreserved characters, byte by byte.
std::string percent_encoded(std::string_view text);

/// `<organization>/<block uuid>`, percent-encoded.
std::string object_name(const BlockJob& job);

/// Any thread.
class ObjectStorage {
 public:
  /// `name`: for logs and errors, without secrets. max_bytes: of blocks under way.
  ObjectStorage(std::string name, engine::OutboundDestination& destination,
                std::chrono::milliseconds timeout, std::size_t max_bytes)
      : name_(std::move(name)),
        destination_(destination),
        timeout_(timeout),
        max_bytes_(max_bytes) {}

  const std::string& name() const { return name_; }
  engine::OutboundChannel& channel(std::uint32_t index) { return destination_.channel(index); }
  /// Requests that a shard may have under way.
  std::size_t outstanding() const { return destination_.settings().outstanding; }
  std::chrono::milliseconds timeout() const { return timeout_; }

  /// False: no room. What was reserved is given back.
  bool reserve(std::size_t bytes);
  std::size_t free_bytes() const;
  void give_back(std::size_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  /// Of who waits in HttpBlockStore::check(). Here because the outbound thread may still be about
  /// to notify when the check is over.
  engine::Waker& check_waker() { return check_waker_; }

  /// `block store <name>: …`, a line.
  std::string dump() const;

  /// Logs when it stops answering, and when it answers again.
  void works();
  void fails(std::string_view why);

 private:
  const std::string name_;
  engine::OutboundDestination& destination_;
  const std::chrono::milliseconds timeout_;
  const std::size_t max_bytes_;
  std::atomic<std::size_t> bytes_ = 0;
  std::atomic<bool> failing_ = false;
  engine::Waker check_waker_;
};

class HttpBlockStore : public BlockStore {
 public:
  HttpBlockStore(ObjectStorage& storage, std::uint32_t channel)
      : storage_(storage), channel_(storage.channel(channel)) {}
  ~HttpBlockStore() override;

  bool submit(BlockJob* job) override;
  BlockJob* next_completion() override;
  bool has_completions() const override { return !completed_.empty() || channel_.has_replies(); }
  void flush() override { channel_.flush(); }

  struct CheckFailure {
    std::string why;  // a sentence for the user
    bool may_pass;    // by itself: nobody answered, or "not now"
  };
  /// Waits until it is known whether the service can be used. For the start only: it blocks.
  std::expected<void, CheckFailure> check();

 protected:
  enum class Kind : std::uint8_t { create, read, check };
  using Place = std::size_t;  // of an operation
  using Request = engine::OutboundRequest;

  struct Operation {
    Kind kind = Kind::check;
    BlockJob* job = nullptr;  // none: a check, or a free place
    engine::TimePoint deadline{};
    std::size_t reserved = 0;
    unsigned repetitions = 0;  // asked for by the answers
    std::uint64_t token = 0;   // SWIFT: with which one it was sent
  };

  /// Sends the request of an operation, or sees to it that it is sent later.
  virtual void begin(Place place) = 0;
  /// The answer to what was sent for an operation: ends in finish(), or begins again.
  virtual void on_answer(Place place, const Request& request) = 0;
  /// The answer to a request of the store's own.
  virtual void on_own_answer(const Request&) {}

  Operation& operation(Place place) { return operations_[place]; }
  /// A request with the deadline and, creating, the body of that operation.
  std::unique_ptr<Request> request_for(Place place);
  void send(Place place, std::unique_ptr<Request> request);
  /// Of the store's own, outside of any operation. False: no room.
  bool send_own(std::unique_ptr<Request> request);
  void finish(Place place, BlockOutcome outcome);
  /// With `timeout`, or the error of a check. `why` completes "the storage …".
  void fail(Place place, std::string_view why, bool may_pass = false);
  const ObjectStorage& storage() const { return storage_; }

 private:
  Place new_operation(Kind kind, BlockJob* job);
  bool may_have(const engine::FlowKey& flow, std::size_t bytes) const;
  void reserve(Operation& operation, std::size_t bytes);
  void give_back(const Operation& operation);
  void take_answers();

  ObjectStorage& storage_;
  engine::OutboundChannel& channel_;
  std::vector<Operation> operations_;
  std::vector<Place> free_places_;
  // Of what this shard has under way.
  engine::FlowShares organizations_;
  engine::FlowShares users_;
  std::deque<BlockJob*> completed_;
  std::expected<void, CheckFailure> check_result_;
  bool checked_ = false;
};

/// "cannot be reached (…)", "answered 503".
std::string failure_text(const engine::OutboundRequest& request);

}  // namespace parsec::db
