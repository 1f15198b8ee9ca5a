// Typed call of db/schema/sql/functions/message.sql. Messages are stored by realm.h and
// maintenance.h.
#pragma once

#include "db/driver/request.h"
#include "db/functions/author.h"

namespace parsec::db::functions {

extern const Function message_get_function;

struct MessageGetColumns {  // rows 1…
  static constexpr int count = 1;
  static constexpr int sender = 2;
  static constexpr int timestamp = 3;
  static constexpr int body = 4;
};
/// The author user's messages after the first `after` ones; of more than max_bytes those that fit.
void message_get(Request& call, Author author, std::int64_t after, std::size_t max_bytes);

}  // namespace parsec::db::functions
