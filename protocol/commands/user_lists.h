// What human_find and user_find (API v1) share: who may, and which slice.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "db/functions/user.h"
#include "protocol/session/session.h"
#include "protocol/types/fields.h"

namespace parsec::protocol::commands {

/// OUTSIDER may not, whatever the fields. True: it was answered.
inline bool refuse_outsider(Session& session) {
  if (session.identity().profile != Profile::outsider) return false;
  session.reply_error("not_allowed", "Not allowed for user with OUTSIDER profile.");
  return true;
}

struct PageFields {
  std::int64_t page;
  std::int64_t per_page;

  static PageFields take(Fields& fields) {
    const auto page = fields.defaulted<field::Integer>("page", 1, field::Range{.min = 1});
    const auto per_page =
        fields.defaulted<field::Integer>("per_page", 100, field::Range{.min = 1, .max = 100});
    return {page, per_page};
  }
  db::functions::Page slice() const {
    constexpr auto end = std::numeric_limits<std::int64_t>::max();
    return {page - 1 > end / per_page ? end : (page - 1) * per_page, per_page};
  }
};

}  // namespace parsec::protocol::commands
