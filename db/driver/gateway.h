// A shard's door to the database, and what the database tells by itself.
//
// Gateway is an interface so that sessions run over the real workers, over a scripted database in
// unit tests and over a simulated one with a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "db/driver/request.h"

namespace parsec::db {

/// One shard's endpoint. All functions: the shard's thread only. None blocks.
class Gateway {
 public:
  virtual ~Gateway() = default;

  /// A fresh Request from the shard's pool. Give it back with submit() or release().
  virtual Request* acquire() = 0;
  virtual void release(Request* request) = 0;

  /// Hands it to a worker. False: the ring is full; the caller keeps the request and tries again
  /// in a later turn (and reads no more from that client meanwhile).
  virtual bool submit(Request* request) = 0;

  /// The next executed request, in any order; null when there is none now. Release it after use.
  virtual Request* next_reply() = 0;

  /// Asks the notification listener for a fence: every notification of a transaction whose commit
  /// was acknowledged to anybody before this call reaches the NotificationSink before
  /// on_fence(shard, token) does.
  virtual void request_fence(std::uint64_t token) = 0;

  /// Wakes the workers that got something since the last flush. Once at the end of a turn.
  virtual void flush() = 0;

  /// True if next_reply() would return one: asked before the shard sleeps.
  virtual bool has_replies() const = 0;
};

/// Receives notifications of channel `app_notification`. Called on the listener's thread.
class NotificationSink {
 public:
  virtual ~NotificationSink() = default;

  /// In commit order. The payload is as sent, base64 and all.
  virtual void on_notification(std::string_view payload) = 0;

  /// See Gateway::request_fence. kept: false if the LISTEN connection was lost meanwhile, so that
  /// nothing is promised.
  virtual void on_fence(std::uint32_t shard, std::uint64_t token, bool kept) = 0;

  /// LISTEN is back after it was lost: notifications may have been missed.
  virtual void on_gap() = 0;

  /// A batch of the calls above is over: wake whoever sleeps.
  virtual void on_batch_end() = 0;
};

}  // namespace parsec::db
