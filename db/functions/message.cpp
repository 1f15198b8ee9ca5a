// See message.h. The order of parameters is that of db/schema/sql/functions/message.sql.
#include "db/functions/message.h"

#include "db/functions/route.h"

namespace parsec::db::functions {

// A read: that it may leave a mark behind is its own business, does not matter if it is lost or
// done twice, and is left out in a read-only transaction.
const Function message_get_function{
    .name = "message_get",
    .sql = "SELECT * FROM parsec_functions.message_get($1,$2,$3,$4)",
    .parameter_count = 4,
    .access = Access::list_read,
};

void message_get(Request& call, Author author, std::int64_t after, std::size_t max_bytes) {
  call.function = &message_get_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .int8(after)
      .int8(static_cast<std::int64_t>(max_bytes));
}

}  // namespace parsec::db::functions
