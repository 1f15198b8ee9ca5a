// message_get (protocol/4-commands.md §4.3).
#include "db/functions/message.h"
#include "protocol/commands/commands.h"
#include "protocol/session/long_reply.h"
#include "protocol/session/service.h"

namespace parsec::protocol::commands {

Command message_get(Session& session, Fields fields) {
  const auto offset = fields.required<field::Integer>("offset", field::Range{.min = 0});
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::message_get(call, {session.organization_id(), session.device_id()}, offset,
                             session.service().settings().max_list_bytes);
  const db::Rows rows = co_await session.execute(call);

  using Columns = db::functions::MessageGetColumns;
  constexpr std::size_t keys_bytes = 128;  // of a message without its body, at most about
  std::size_t size = keys_bytes;
  for (int row = 1; row < rows.count(); ++row) {
    size += keys_bytes + rows.bytes(row, Columns::body).size();
  }
  LongReply reply{session, 1, size};
  auto& messages = reply.key("messages");
  messages.array(static_cast<std::uint32_t>(rows.count() - 1));
  for (int row = 1; row < rows.count(); ++row) {
    messages.map(4);
    reply.key("count").integer(rows.integer(row, Columns::count));
    reply.key("sender").str(rows.text(row, Columns::sender));
    reply.key("timestamp").datetime(rows.datetime(row, Columns::timestamp));
    reply.key("body").bin(rows.bytes(row, Columns::body));
    if (reply.is_time_to_yield()) co_await session.yield();
  }
  reply.send();
}

}  // namespace parsec::protocol::commands
