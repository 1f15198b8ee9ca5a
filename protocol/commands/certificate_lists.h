// Lists of certificates in a reply: a user's devices, and the trustchain (protocol/4-commands.md
// §4.4 user_get, protocol/7-apiv1.md §7.3 *_get_invitation_creator).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "db/driver/request.h"
#include "protocol/session/long_reply.h"

namespace parsec::protocol::commands {

/// Writes lists row by row, so that a long reply can be written in slices:
///
///   CertificateLists lists{reply, rows};
///   while (lists.count()) co_await session.yield();
///   lists.begin("devices");
///   while (lists.write()) co_await session.yield();
class CertificateLists {
 public:
  static constexpr std::array<std::string_view, 3> trustchain{"devices", "users", "revoked_users"};

  CertificateLists(LongReply& reply, const db::Rows& rows) : reply_(reply), rows_(rows) {}

  /// Before the first list. True: others should have their turn before the next call.
  bool count();
  /// The entry `key` of the reply becomes the list of this name.
  void begin(std::string_view key, std::string_view list);
  /// True: as in count().
  bool write();

 private:
  /// Lists that the rows may name: of the trustchain, and the user's own devices.
  static constexpr std::array<std::string_view, 4> names{"devices", "users", "revoked_users",
                                                         "own"};
  std::size_t list_of(int row) const;

  LongReply& reply_;
  const db::Rows& rows_;
  std::array<std::uint32_t, names.size()> counts_{};
  std::size_t list_ = 0;
  int row_ = 1;
};

}  // namespace parsec::protocol::commands
