// ping (protocol/4-commands.md §4.1).
#include <string>

#include "db/functions/device.h"
#include "protocol/bytes/utf8.h"
#include "protocol/commands/commands.h"
#include "protocol/events/notification.h"

namespace parsec::protocol::commands {

namespace {

constexpr std::size_t max_event_characters = 64;

void reply_pong(Session& session, std::string_view text) {
  Reply reply = session.reply_ok(1, text.size());
  reply.key("pong").str(text);
}

}  // namespace

Command ping(Session& session, Fields fields) {
  const auto text = fields.required<field::String>("ping");
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  if (count_characters(text) > max_event_characters) co_return reply_pong(session, text);

  const std::string pong{text};
  Notification pinged("pinged", 3);
  pinged.key("organization_id").str(session.organization_id());
  pinged.key("author").str(session.device_id());
  pinged.key("ping").str(pong);
  auto& call = session.new_call();
  db::functions::ping(call, {session.organization_id(), session.device_id()}, pinged.bytes());
  co_await session.execute(call);
  reply_pong(session, pong);
}

Command quiet_ping(Session& session, Fields fields) {
  const auto text = fields.required<field::String>("ping");
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  reply_pong(session, text);
}

}  // namespace parsec::protocol::commands
