// See device.h. The order of parameters is that of db/schema/sql/functions/device.sql.
#include "db/functions/device.h"

#include "db/functions/route.h"

namespace parsec::db::functions {

// May wait for another creation of the same device ID: so it holds no other lock meanwhile.
const Function device_create_function{
    .name = "device_create",
    .sql = "SELECT * FROM parsec_functions.device_create($1,$2,$3,$4,$5,$6,$7,$8,$9)",
    .parameter_count = 9,
    .access = Access::solo_write,
};

void device_create(Request& call, Author author, DateTime certified_on, const NewDevice& device,
                   Bytes notification, std::optional<Bytes> large_answer) {
  call.function = &device_create_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .datetime(certified_on)
      .text(device.device_id)
      .optional_text(device.device_label)
      .bytes(device.device_certificate)
      .bytes(device.redacted_device_certificate)
      .bytes(notification)
      .optional_bytes(large_answer);
}

const Function device_created_function{
    .name = "device_created",
    .sql = "SELECT * FROM parsec_functions.device_created($1,$2)",
    .parameter_count = 2,
    .access = Access::read,
};

void device_created(Request& call, std::string_view organization_id, std::string_view device_id) {
  call.function = &device_created_function;
  call.route = route_of(organization_id);
  call.text(organization_id).text(device_id);
}

// Writes no row, so it shares a transaction: one NOTIFY-ing commit for many pings.
const Function ping_function{
    .name = "ping",
    .sql = "SELECT * FROM parsec_functions.ping($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::shared_write,
};

void ping(Request& call, Author author, Bytes notification) {
  call.function = &ping_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id).text(author.device_id).bytes(notification);
}

}  // namespace parsec::db::functions
