#include "bench/population/blocking_client.h"

#include <utility>

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
constexpr std::chrono::seconds timeout{30};
constexpr std::size_t buffer_bytes = 64 * 1024;

}  // namespace

std::expected<std::unique_ptr<BlockingClient>, std::string> BlockingClient::open(
    const protocol::BackendAddress& address, const Login& login) {
  auto stream = app::Stream::connect(address, timeout);
  if (!stream) return Error{stream.error()};
  std::unique_ptr<BlockingClient> client{
      new BlockingClient(std::move(*stream), login, address.authority())};
  client->session_.open(client->out_);
  if (auto ready = client->receive(); !ready) return Error{ready.error()};
  return client;
}

std::expected<msgpack::Value, std::string> BlockingClient::call(const Fill& fill) {
  engine::OutputBuffer request;
  msgpack::Writer writer{request};
  fill(writer);
  ClientSession::send(out_, request.bytes());
  auto reply = receive();
  if (!reply) return Error{reply.error()};
  return std::get<ClientSession::Message>(*reply).value;
}

std::expected<std::string, std::string> BlockingClient::require(std::string_view also,
                                                                const Fill& fill) {
  const auto reply = call(fill);
  if (!reply) return Error{reply.error()};
  const auto found = reply->find("status");
  const bool is_text = found && found->kind() == msgpack::Kind::str;
  const std::string status{is_text ? found->str() : std::string_view{}};
  if (status == "ok" || (!also.empty() && status == also)) return status;
  const auto reason = reply->find("reason");
  const bool told = reason && reason->kind() == msgpack::Kind::str;
  return Error{"The server answered " + status + (told ? ": " + std::string{reason->str()} : "")};
}

std::expected<ClientSession::Happened, std::string> BlockingClient::receive() {
  for (;;) {
    auto happened = session_.next(unread_, out_);
    if (!happened) return Error{"The server " + happened.error()};
    if (auto flushed = flush(); !flushed) return Error{flushed.error()};
    if (*happened) return **happened;
    buffer_.resize(buffer_bytes);
    const auto count = stream_->read_some(buffer_);
    if (!count) return Error{"The connection failed: " + count.error()};
    if (*count == 0) return Error{"The server closed the connection"};
    unread_ = std::span{buffer_}.first(*count);
  }
}

std::expected<void, std::string> BlockingClient::flush() {
  if (out_.empty()) return {};
  auto sent = stream_->write_all(out_.bytes());
  out_.clear();
  if (!sent) return Error{"The connection failed: " + sent.error()};
  return {};
}

}  // namespace parsec::bench
