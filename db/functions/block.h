// Typed calls of db/schema/sql/functions/block.sql: each sets function, route and parameters of a
// Request.
#pragma once

#include <cstdint>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/author.h"

namespace parsec::db::functions {

extern const Function block_create_check_function;
extern const Function block_create_function;
extern const Function block_create_alone_function;
extern const Function block_read_function;
extern const Function block_data_create_function;
extern const Function block_data_read_function;

/// status: realm_not_found, in_maintenance, not_allowed, already_exists.
void block_create_check(Request& call, Author author, const Uuid& realm_id, const Uuid& block_id);

/// The data is stored. status: as of block_create_check, or `busy`: another transaction creates the
/// same ID now, nothing was done: call again alone.
void block_create(Request& call, Author author, const Uuid& realm_id, const Uuid& block_id,
                  std::int32_t size_bytes);

/// `call` repeats a block_create: it waits for that other transaction, in one of its own.
void block_create_alone(Request& call);

/// status: block_not_found, in_maintenance, not_allowed.
void block_read(Request& call, Author author, const Uuid& block_id);

// --- The block store POSTGRESQL

/// A block that is there already stays as it is.
void block_data_create(Request& call, std::string_view organization_id, const Uuid& block_id,
                       Bytes data);

struct BlockDataColumns {
  static constexpr int data = 1;
};
/// status: not_found.
void block_data_read(Request& call, std::string_view organization_id, const Uuid& block_id);

}  // namespace parsec::db::functions
