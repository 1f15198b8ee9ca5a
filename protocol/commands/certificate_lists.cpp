#include "protocol/commands/certificate_lists.h"

#include <cstdint>

#include "db/functions/apiv1_invitation.h"
#include "db/functions/user.h"

namespace parsec::protocol::commands {

namespace {

using Columns = db::functions::UserGetColumns;
using CreatorColumns = db::functions::InvitationCreatorColumns;
static_assert(Columns::list == CreatorColumns::list);
static_assert(Columns::certificate == CreatorColumns::certificate);

}  // namespace

void write_list(msgpack::Writer& writer, const db::Rows& rows, std::string_view list) {
  std::uint32_t count = 0;
  for (int row = 1; row < rows.count(); ++row) count += rows.text(row, Columns::list) == list;
  writer.array(count);
  for (int row = 1; row < rows.count(); ++row) {
    if (rows.text(row, Columns::list) != list) continue;
    writer.bin(rows.bytes(row, Columns::certificate));
  }
}

void write_trustchain(Reply& reply, const db::Rows& rows) {
  reply.key("trustchain").map(3);
  for (const auto* list : {"devices", "users", "revoked_users"}) {
    write_list(reply.key(list), rows, list);
  }
}

std::size_t size_of_lists(const db::Rows& rows) {
  std::size_t size = 0;
  for (int row = 1; row < rows.count(); ++row) {
    size += 5 + rows.bytes(row, Columns::certificate).size();  // 5: head of the longest bin
  }
  return size;
}

}  // namespace parsec::protocol::commands
