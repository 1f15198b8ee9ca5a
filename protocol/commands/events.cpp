// events_subscribe, events_listen (protocol/6-events.md §6.1).
#include "db/functions/handshake.h"
#include "protocol/commands/commands.h"

namespace parsec::protocol::commands {

Command events_subscribe(Session& session, Fields) {
  if (!session.subscribed()) {
    auto& call = session.new_call();
    db::functions::user_realms(call, session.organization_id(), session.user_id());
    co_await session.subscribe(call);
  }
  session.reply_ok();
}

Command events_listen(Session& session, Fields fields) {
  const bool wait = fields.defaulted<field::Boolean>("wait", true);
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  if (!wait && !session.has_waiting_event()) co_return session.reply_error("no_events");
  const EventPointer event = co_await session.next_event();
  session.reply_event(*event.operator->());
}

}  // namespace parsec::protocol::commands
