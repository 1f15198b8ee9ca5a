// Any bytes as a notification, as they are and as what its base64 holds: what is told to clients is
// one whole message of theirs, and a bus that hears it tells its shard at most that one event.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>

#include "protocol/bytes/base64.h"
#include "protocol/events/event_bus.h"
#include "protocol/events/events.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/websocket/websocket.h"
#include "tests/fuzz/support/quiet.h"

namespace {

using namespace parsec;

void check_message(const protocol::Event& event) {
  const protocol::EventPointer shared{new protocol::SharedEvent{event}};
  const auto bytes = shared->reply_message();
  assert(bytes.empty() != protocol::is_told_to_clients(event.content));
  if (bytes.empty()) return;
  std::string copy{as_text(bytes)};
  std::span<std::byte> stream = std::as_writable_bytes(std::span{copy});
  websocket::FrameReader reader{websocket::Role::client};
  const auto frame = reader.next(stream);
  assert(frame && *frame && (*frame)->first && (*frame)->last && (*frame)->fin && stream.empty());
  const auto document = msgpack::parse((*frame)->payload);
  assert(document && document->find("status")->str() == "ok" && document->find("event"));
}

void hear(std::string_view payload) {
  protocol::EventBus bus{1, 2};
  bus.on_notification(payload);
  bus.on_batch_end();
  const auto event = protocol::decode_notification(payload);
  protocol::InboxItem item;
  const bool heard = bus.inbox(0).next(item);
  assert(heard == (event && *event));
  if (!heard) return;
  assert(item.kind == protocol::InboxItem::Kind::event);
  const protocol::EventPointer owner{item.event};
  assert(owner->event().content.index() == (*event)->content.index());
  assert(!(*event)->organization_id.empty());
  check_message(**event);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  hear(bytes);
  hear(protocol::base64_encode(as_bytes(bytes)));
  return 0;
}
