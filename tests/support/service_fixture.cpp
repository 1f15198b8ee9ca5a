#include "tests/support/service_fixture.h"

#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/spdlog.h>
#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace parsec::testing {

using websocket::Opcode;

namespace {

/// Thousands of connections tell their life otherwise.
[[maybe_unused]] const bool quiet = [] {
  spdlog::set_level(spdlog::level::off);
  return true;
}();

}  // namespace

SigningKey::SigningKey() {
  crypto_sign_keypair(reinterpret_cast<unsigned char*>(verify_key_.data()), secret_key_.data());
}

std::vector<std::byte> SigningKey::sign(Bytes message) const {
  std::vector<std::byte> out(crypto_sign_BYTES + message.size());
  crypto_sign(reinterpret_cast<unsigned char*>(out.data()), nullptr,
              reinterpret_cast<const unsigned char*>(message.data()), message.size(),
              secret_key_.data());
  return out;
}

std::uint16_t Sent::close_code() const {
  if (opcode != Opcode::close || payload.size() < 2) return 0;
  return static_cast<std::uint16_t>(std::to_integer<int>(payload[0]) << 8 |
                                    std::to_integer<int>(payload[1]));
}

ServiceFixture::ServiceFixture(std::size_t memory_limit, std::uint32_t shards)
    : memory(memory_limit, shards),
      service(settings, transport, database, blocks, inbox, outbox, claimers, memory, counts, 0) {
  settings.administration_token = "s3cr3t";
  settings.max_waiting_events = 8;
}

engine::ConnectionId ServiceFixture::open() {
  const engine::ConnectionId id{.slot = next_slot_++, .generation = 7};
  transport[id];
  service.on_open(id, "127.0.0.1:1");
  return id;
}

void ServiceFixture::raw(engine::ConnectionId id, std::string_view bytes) {
  std::vector<std::byte> copy(as_bytes(bytes).begin(), as_bytes(bytes).end());
  service.on_data(id, copy);
  // As the shard gives its buffers to others: whoever still looks at them sees something else.
  std::ranges::fill(copy, std::byte{0xDD});
}

engine::ConnectionId ServiceFixture::open_websocket() {
  const auto id = open();
  raw(id,
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  auto& output = transport[id].output;
  const auto head_end = as_text(output.bytes()).find("\r\n\r\n");
  assert(head_end != std::string_view::npos);
  const std::string rest{as_text(output.bytes()).substr(head_end + 4)};
  output.clear();
  output.append(rest);
  const auto sent = take_sent(id);
  assert(sent.size() == 1);
  const auto document = msgpack::parse(sent[0].payload);
  std::memcpy(challenge.data(), document->find("challenge")->bin().data(), challenge.size());
  return id;
}

engine::ConnectionId ServiceFixture::open_administration() {
  const auto id = open_websocket();
  send(id, 4, [](msgpack::Writer& writer) {
    writer.str("handshake"), writer.str("answer");
    writer.str("client_api_version"), writer.array(2), writer.integer(1), writer.integer(2);
    writer.str("type"), writer.str("administration");
    writer.str("token"), writer.str("s3cr3t");
  });
  take_sent(id);
  return id;
}

engine::ConnectionId ServiceFixture::open_anonymous(std::string_view organization_id) {
  const auto id = open_websocket();
  send(id, 4, [&](msgpack::Writer& writer) {
    writer.str("handshake"), writer.str("answer");
    writer.str("client_api_version"), writer.array(2), writer.integer(1), writer.integer(2);
    writer.str("type"), writer.str("anonymous");
    writer.str("organization_id"), writer.str(organization_id);
  });
  answer({{text_cell("ok"), bytes_cell(root_key.verify_key()), bool_cell(false)}});
  take_sent(id);
  return id;
}

engine::ConnectionId ServiceFixture::open_device(std::string_view organization_id,
                                                 std::string_view device_id, bool api_v1) {
  const auto id = start_device(organization_id, device_id, api_v1);
  answer_handshake(device_id);
  take_sent(id);
  return id;
}

engine::ConnectionId ServiceFixture::start_device(std::string_view organization_id,
                                                  std::string_view device_id, bool api_v1) {
  const auto id = open_websocket();
  const auto signed_challenge = device_key.sign(challenge);
  send(id, 7, [&](msgpack::Writer& writer) {
    writer.str("handshake"), writer.str("answer");
    writer.str("client_api_version"), writer.array(2), writer.integer(api_v1 ? 1 : 2);
    writer.integer(0);
    writer.str("type"), writer.str(api_v1 ? "authenticated" : "AUTHENTICATED");
    writer.str("organization_id"), writer.str(organization_id);
    writer.str("device_id"), writer.str(device_id);
    writer.str("rvk"), writer.bin(root_key.verify_key());
    writer.str("answer"), writer.bin(signed_challenge);
  });
  return id;
}

void ServiceFixture::frame(engine::ConnectionId id, Opcode opcode, Bytes payload) {
  engine::OutputBuffer out;
  websocket::write_masked_frame(out, opcode, payload,
                                {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}});
  raw(id, as_text(out.bytes()));
}

void ServiceFixture::send(engine::ConnectionId id, std::uint32_t entries, const WriteMap& write) {
  engine::OutputBuffer document;
  msgpack::Writer writer{document};
  writer.map(entries);
  write(writer);
  frame(id, Opcode::binary, document.bytes());
}

void ServiceFixture::send_command(engine::ConnectionId id, std::string_view cmd,
                                  std::uint32_t fields, const WriteMap& write) {
  send(id, 1 + fields, [&](msgpack::Writer& writer) {
    writer.str("cmd"), writer.str(cmd);
    if (write) write(writer);
  });
}

void ServiceFixture::send_ping(engine::ConnectionId id, std::string_view text) {
  send_command(id, "ping", 1,
               [&](msgpack::Writer& writer) { writer.str("ping"), writer.str(text); });
}

std::vector<Sent> ServiceFixture::take_sent(engine::ConnectionId id) {
  auto& output = transport[id].output;
  std::span<std::byte> bytes{output.data(), output.size()};
  websocket::FrameReader reader{websocket::Role::client};
  std::vector<Sent> sent;
  while (!bytes.empty()) {
    const auto part = reader.next(bytes);
    assert(part && *part && (*part)->last);
    sent.push_back({(*part)->opcode, {(*part)->payload.begin(), (*part)->payload.end()}});
  }
  output.clear();
  return sent;
}

std::string ServiceFixture::take_reply(engine::ConnectionId id) {
  const auto sent = take_sent(id);
  if (sent.size() != 1) return fmt::format("<{} frames>", sent.size());
  if (sent[0].opcode != Opcode::binary) return "<not binary>";
  const auto document = msgpack::parse(sent[0].payload);
  return document ? describe(*document) : "<not msgpack>";
}

void ServiceFixture::answer_handshake(std::string_view device_id, bool expired, bool revoked) {
  const auto certificate = stored_device_certificate(device_id, device_key.verify_key());
  answer({{text_cell("ok"), bytes_cell(certificate), bytes_cell(root_key.verify_key()),
           bool_cell(expired), bool_cell(revoked), text_cell("ADMIN")}});
}

void ServiceFixture::close(engine::ConnectionId id) {
  service.on_closed(id, engine::CloseReason::peer_closed);
}

void ServiceFixture::event(protocol::Event event) {
  inbox.post({.kind = protocol::InboxItem::Kind::event,
              .event = new protocol::SharedEvent(std::move(event))});
  turn();
}

void ServiceFixture::pass_fence(bool kept) {
  const auto token = database.fences.at(0);
  database.fences.erase(database.fences.begin());
  inbox.post({.kind = kept ? protocol::InboxItem::Kind::fence_kept
                           : protocol::InboxItem::Kind::fence_broken,
              .token = token});
  turn();
}

std::vector<std::byte> stored_device_certificate(std::string_view device_id,
                                                 const protocol::VerifyKey& verify_key) {
  engine::OutputBuffer content;
  msgpack::Writer writer{content};
  writer.map(6);
  writer.str("type"), writer.str("device_certificate");
  writer.str("author"), writer.nil();
  writer.str("timestamp"), writer.datetime({1'600'000'000'000'000});
  writer.str("device_id"), writer.str(device_id);
  writer.str("device_label"), writer.nil();
  writer.str("verify_key"), writer.bin(verify_key);

  constexpr std::size_t signature_bytes = 64;
  uLongf size = compressBound(content.size());
  std::vector<std::byte> certificate(signature_bytes + size);
  compress(reinterpret_cast<Bytef*>(certificate.data() + signature_bytes), &size,
           reinterpret_cast<const Bytef*>(content.data()), content.size());
  certificate.resize(signature_bytes + size);
  return certificate;
}

std::string describe(msgpack::Value value) {
  switch (value.kind()) {
    case msgpack::Kind::nil:
      return "null";
    case msgpack::Kind::boolean:
      return value.boolean() ? "true" : "false";
    case msgpack::Kind::integer:
      return std::to_string(value.integer());
    case msgpack::Kind::real:
      return fmt::format("{}", value.real());
    case msgpack::Kind::str:
      return fmt::format("\"{}\"", value.str());
    case msgpack::Kind::bin:
      return fmt::format("<{} bytes>", value.bin().size());
    case msgpack::Kind::uuid:
      return value.uuid().hex();
    case msgpack::Kind::datetime:
      return value.datetime().text();
    case msgpack::Kind::ext:
      return fmt::format("<ext {}>", value.ext_type());
    case msgpack::Kind::array: {
      std::string text = "[";
      for (auto items = value.items(); auto item = items.next();) {
        text += (text.size() > 1 ? " " : "") + describe(*item);
      }
      return text + "]";
    }
    case msgpack::Kind::map: {
      std::string text = "{";
      for (auto entries = value.entries(); auto entry = entries.next();) {
        text += (text.size() > 1 ? " " : "") + (entry->key.kind() == msgpack::Kind::str
                                                    ? std::string{entry->key.str()}
                                                    : describe(entry->key));
        text += "=" + describe(entry->value);
      }
      return text + "}";
    }
  }
  return "?";
}

}  // namespace parsec::testing
