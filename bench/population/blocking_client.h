// A client that waits for its answers, for what is done before a measurement. One thread.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/core/stream.h"
#include "bench/population/client_session.h"
#include "protocol/msgpack/msgpack_writer.h"
#include "protocol/types/address.h"

namespace parsec::bench {

class BlockingClient {
 public:
  /// Connects and logs in. The login and the address outlive it. The error is a sentence for the
  /// user.
  static std::expected<std::unique_ptr<BlockingClient>, std::string> open(
      const protocol::BackendAddress& address, const Login& login);

  using Fill = std::function<void(msgpack::Writer& request)>;
  /// Sends what `fill` writes, and waits for the reply, which is valid until the next call.
  std::expected<msgpack::Value, std::string> call(const Fill& fill);
  /// A call whose reply must be `ok`, or one of `also`; the status.
  std::expected<std::string, std::string> require(std::string_view also, const Fill& fill);

 private:
  BlockingClient(std::unique_ptr<app::Stream> stream, const Login& login, std::string host)
      : stream_(std::move(stream)), host_(std::move(host)), session_(login, host_) {}
  std::expected<ClientSession::Happened, std::string> receive();
  std::expected<void, std::string> flush();

  std::unique_ptr<app::Stream> stream_;
  const std::string host_;
  ClientSession session_;
  engine::OutputBuffer out_;
  std::vector<std::byte> buffer_;
  std::span<std::byte> unread_;
};

}  // namespace parsec::bench
