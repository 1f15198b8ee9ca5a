// Lists of certificates in a reply: a user's devices, and the trustchain (protocol/4-commands.md
// §4.4 user_get, protocol/7-apiv1.md §7.3 *_get_invitation_creator).
#pragma once

#include <cstddef>
#include <string_view>

#include "db/request.h"
#include "protocol/msgpack_writer.h"
#include "protocol/reply.h"

namespace parsec::protocol::commands {

/// The certificates of one list of the rows after row 0, as a msgpack array.
void write_list(msgpack::Writer& writer, const db::Rows& rows, std::string_view list);

/// The entry `trustchain` of a reply.
void write_trustchain(Reply& reply, const db::Rows& rows);

/// What all lists together take, at most.
std::size_t size_of_lists(const db::Rows& rows);

}  // namespace parsec::protocol::commands
