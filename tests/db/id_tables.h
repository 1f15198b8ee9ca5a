// The tables of the contract that a sequence numbers (db/storage.md §1).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "db/schema/sequences.h"
#include "tests/support/private_postgres.h"

namespace parsec::testing {

constexpr auto id_tables = std::to_array<const char*>({
    "block",
    "block_data",
    "device",
    "device_invitation",
    "human",
    "invitation",
    "message",
    "organization",
    "realm",
    "realm_user_role",
    "realm_vlob_update",
    "user_",
    "user_invitation",
    "vlob_atom",
    "vlob_encryption_revision",
});

inline std::vector<db::IdSequence> sequences_of(db::Connection& connection) {
  auto sequences = db::read_id_sequences(connection);
  if (!sequences) {
    ADD_FAILURE() << sequences.error().message;
    return {};
  }
  return *sequences;
}

}  // namespace parsec::testing
