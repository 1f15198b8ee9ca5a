#include "bench/instructions/request_path.h"

#include <chrono>
#include <stdexcept>

#include "protocol/events/events.h"

namespace parsec::bench {

using testing::bytes_cell;
using testing::int_cell;
using testing::null_cell;
using testing::text_cell;
using testing::uuid_cell;

namespace {

constexpr Uuid realm_id{{std::byte{1}}};
constexpr Uuid vlob_id{{std::byte{2}}};
constexpr std::size_t blob_bytes = 1024;

DateTime now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

}  // namespace

RequestPath::RequestPath() : blob_(blob_bytes, 'b') {
  administration_ = shard_.open_administration();
  alice_ = shard_.open_device("Org", "alice@dev1");
  ping_ = frame_of("ping", 1, [](msgpack::Writer& writer) {
    writer.str("ping"), writer.str("0123456789abcdef");
  });
  read_ = frame_of("vlob_read", 4, [](msgpack::Writer& writer) {
    writer.str("encryption_revision"), writer.integer(1);
    writer.str("vlob_id"), writer.uuid(vlob_id);
    writer.str("version"), writer.integer(3);
    writer.str("timestamp"), writer.nil();
  });
  update_ = frame_of("vlob_update", 5, [this](msgpack::Writer& writer) {
    writer.str("encryption_revision"), writer.integer(1);
    writer.str("vlob_id"), writer.uuid(vlob_id);
    writer.str("version"), writer.integer(3);
    writer.str("timestamp"), writer.datetime(now());
    writer.str("blob"), writer.bin(as_bytes(blob_));
  });
  listen_ = frame_of("events_listen", 1,
                     [](msgpack::Writer& writer) { writer.str("wait"), writer.boolean(true); });
}

RequestPath::Frame RequestPath::frame_of(std::string_view cmd, std::uint32_t fields,
                                         const testing::WriteMap& write) {
  engine::OutputBuffer document, out;
  msgpack::Writer writer{document};
  writer.map(1 + fields);
  writer.str("cmd"), writer.str(cmd);
  write(writer);
  websocket::write_masked_frame(out, websocket::Opcode::binary, document.bytes(),
                                {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}});
  return {out.bytes().begin(), out.bytes().end()};
}

void RequestPath::arrive(engine::ConnectionId id, const Frame& frame) {
  arriving_ = frame;  // it is unmasked in place
  shard_.service.on_data(id, arriving_);
}

void RequestPath::expect_output(engine::ConnectionId id) {
  auto& output = shard_.transport[id].output;
  if (output.empty()) throw std::logic_error("a reply is missing");
  output.clear();
}

void RequestPath::ping() {
  arrive(administration_, ping_);
  expect_output(administration_);
}

void RequestPath::told_ping() {
  arrive(alice_, ping_);
  shard_.answer({{text_cell("ok")}});
  expect_output(alice_);
}

void RequestPath::vlob_read() {
  arrive(alice_, read_);
  shard_.answer({{text_cell("ok"), uuid_cell(realm_id), int_cell(3), bytes_cell(as_bytes(blob_)),
                  text_cell("alice@dev1"), int_cell(0)}});
  expect_output(alice_);
}

void RequestPath::vlob_update() {
  arrive(alice_, update_);
  shard_.answer({{text_cell("ok"), uuid_cell(realm_id)}});
  expect_output(alice_);
}

void RequestPath::handshake() {
  const auto id = shard_.open_device("Org", "bob@dev1");
  shard_.close(id);
  shard_.transport.forget(id);
}

void RequestPath::subscribe(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = shard_.open_device("Org", "bob@dev1");
    shard_.send_command(id, "events_subscribe");
    shard_.answer({{text_cell("ok"), null_cell(), null_cell()},
                   {null_cell(), uuid_cell(realm_id), text_cell("READER")}});
    shard_.pass_fence();
    expect_output(id);
    arrive(id, listen_);
    subscribers_.push_back(id);
  }
}

void RequestPath::fan_out() {
  shard_.event({"Org", protocol::RealmVlobsUpdated{.author = "alice@dev1",
                                                   .realm_id = realm_id,
                                                   .checkpoint = 7,
                                                   .src_id = vlob_id,
                                                   .src_version = 3}});
  for (const auto id : subscribers_) {
    expect_output(id);
    arrive(id, listen_);
  }
}

}  // namespace parsec::bench
