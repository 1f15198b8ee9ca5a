// Blocks (protocol/4-commands.md §4.7). Data travels to and from the block store between two
// requests to the database, while nothing of the database is held.
#include "db/functions/block.h"
#include "protocol/commands/commands.h"
#include "protocol/commands/refusals.h"
#include "protocol/session/service.h"

namespace parsec::protocol::commands {

namespace {

/// A job about this block, which the session keeps until the command ends.
db::BlockJob& new_job(Session& session, db::BlockJob::Kind kind, const Uuid& block_id) {
  auto& job = session.new_block_job();
  job.kind = kind;
  job.organization_id = session.organization_id();
  job.block_id = block_id;
  return job;
}

}  // namespace

Command block_create(Session& session, Fields fields) {
  const auto block_id = fields.required<field::Uuid>("block_id");
  const auto realm_id = fields.required<field::Uuid>("realm_id");
  const auto block = fields.required<field::Binary>("block");
  if (!fields.valid()) co_return session.reply_bad_message(fields);
  std::vector<std::byte> data(block.begin(), block.end());  // the request's are gone at co_await
  const auto size_bytes = static_cast<std::int32_t>(data.size());

  auto& check = session.new_call();
  db::functions::block_create_check(check, author_of(session), realm_id, block_id);
  const db::Rows checked = co_await session.execute(check);
  if (checked.status() != "ok") {
    co_return reply_refusal(session, checked.status(), about_realm(realm_id));
  }

  auto& job = new_job(session, db::BlockJob::Kind::create, block_id);
  job.data = std::move(data);
  const db::BlockJob& stored = co_await session.run(job);
  if (stored.outcome != db::BlockOutcome::ok) co_return session.reply_error("timeout");

  auto& call = session.new_call();
  db::functions::block_create(call, author_of(session), realm_id, block_id, size_bytes);
  db::Rows rows = co_await session.execute(call);
  if (rows.status() == "busy") {
    auto& again = session.repeat_call();
    db::functions::block_create_alone(again);
    const db::Rows rows_again = co_await session.execute(again);
    rows = rows_again;
  }
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), about_realm(realm_id));
  session.reply_ok();
}

Command block_read(Session& session, Fields fields) {
  const auto block_id = fields.required<field::Uuid>("block_id");
  if (!fields.valid()) co_return session.reply_bad_message(fields);

  auto& call = session.new_call();
  db::functions::block_read(call, author_of(session), block_id);
  const db::Rows rows = co_await session.execute(call);
  if (rows.status() != "ok") co_return reply_refusal(session, rows.status(), {});

  auto& job = new_job(session, db::BlockJob::Kind::read, block_id);
  const db::BlockJob& read = co_await session.run(job);
  if (read.outcome == db::BlockOutcome::not_found) co_return session.reply_error("not_found");
  if (read.outcome != db::BlockOutcome::ok) co_return session.reply_error("timeout");
  auto reply = session.reply_ok(1, read.found.size() + 64);
  reply.key("block").bin(read.found);
}

}  // namespace parsec::protocol::commands
