// What to do about an error of PostgreSQL, decided by its SQLSTATE and the constraint it names.
// https://www.postgresql.org/docs/15/errcodes-appendix.html
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace parsec::db {

enum class Remedy : std::uint8_t {
  none,        // it will fail again
  again,       // somebody was in the way: again, a bounded number of times
  once_again,  // somebody still is, after a long wait: one more time
  prepare,     // our prepared statements are out of date: prepare anew, once
  reconnect,   // this server is the wrong one now, or goes away: through another connection
};

/// Of an error that PostgreSQL reported, so that the transaction is known to be rolled back. Empty
/// where it names none.
struct ServerError {
  std::string_view sqlstate = {};
  std::string_view schema = {};
  std::string_view table = {};
  std::string_view constraint = {};
};

Remedy remedy_for(const ServerError& error);

/// What an administrator can do about it, as a sentence; empty: nothing in particular.
std::string cure_for(const ServerError& error);

}  // namespace parsec::db
