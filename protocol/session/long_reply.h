// A reply that is written in slices, so that a long one does not keep a shard's other connections
// waiting:
//
//   LongReply reply{session, 2, size};
//   …
//   for (…) {
//     … reply.writer() …
//     if (reply.is_time_to_yield()) co_await session.yield();
//   }
//   reply.send();
//
// It has a buffer of its own, since Pongs go out meanwhile, and leaves whole with send(). If its
// command is destroyed before that, nothing is sent.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "engine/output_buffer.h"
#include "protocol/session/service.h"
#include "protocol/session/session.h"
#include "protocol/types/reply.h"

namespace parsec::protocol {

class LongReply {
 public:
  LongReply(Session& session, std::uint32_t fields, std::size_t size_hint) : session_(session) {
    session.begin_long_reply(buffer_);
    reply_.emplace(buffer_, "ok", fields, size_hint);
  }
  ~LongReply() { session_.forget_long_reply(); }
  LongReply(const LongReply&) = delete;
  LongReply& operator=(const LongReply&) = delete;

  msgpack::Writer& key(std::string_view name) { return reply_->key(name); }
  msgpack::Writer& writer() { return reply_->writer(); }

  /// Asked after each row.
  bool is_time_to_yield() {
    const auto& settings = session_.service().settings();
    ++rows_;
    if (rows_ < settings.rows_of_a_slice && buffer_.size() - written_ < settings.bytes_of_a_slice) {
      return false;
    }
    rows_ = 0;
    written_ = buffer_.size();
    return true;
  }

  /// At the end: it is whole.
  void send() {
    reply_.reset();  // writes the length
    session_.send_long_reply(buffer_);
  }

 private:
  Session& session_;
  engine::OutputBuffer buffer_;
  std::optional<Reply> reply_;
  int rows_ = 0;
  std::size_t written_ = 0;  // when the slice began
};

}  // namespace parsec::protocol
