// See organization.h. The order of parameters is that of db/schema/sql/functions/organization.sql.
#include "db/functions/organization.h"

#include "db/functions/route.h"

namespace parsec::db::functions {

const Function organization_create_function{
    .name = "organization_create",
    .sql = "SELECT * FROM parsec_functions.organization_create($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::solo_write,
};

void organization_create(Request& call, std::string_view organization_id,
                         std::string_view bootstrap_token,
                         std::optional<DateTime> expiration_date) {
  call.function = &organization_create_function;
  call.route = route_of(organization_id);
  call.text(organization_id).text(bootstrap_token).optional_datetime(expiration_date);
}

const Function organization_status_function{
    .name = "organization_status",
    .sql = "SELECT * FROM parsec_functions.organization_status($1)",
    .parameter_count = 1,
    .access = Access::read,
};

void organization_status(Request& call, std::string_view organization_id) {
  call.function = &organization_status_function;
  call.route = route_of(organization_id);
  call.text(organization_id);
}

const Function organization_is_expired_function{
    .name = "organization_is_expired",
    .sql = "SELECT * FROM parsec_functions.organization_is_expired($1)",
    .parameter_count = 1,
    .access = Access::read,
};

void organization_is_expired(Request& call, std::string_view organization_id) {
  call.function = &organization_is_expired_function;
  call.route = route_of(organization_id);
  call.text(organization_id);
}

// Adds up all that the organization has.
const Function organization_stats_function{
    .name = "organization_stats",
    .sql = "SELECT * FROM parsec_functions.organization_stats($1)",
    .parameter_count = 1,
    .access = Access::heavy_read,
};

void organization_stats(Request& call, std::string_view organization_id) {
  call.function = &organization_stats_function;
  call.route = route_of(organization_id);
  call.text(organization_id);
}

const Function organization_update_function{
    .name = "organization_update",
    .sql = "SELECT * FROM parsec_functions.organization_update($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::solo_write,
};

void organization_update(Request& call, std::string_view organization_id,
                         std::optional<DateTime> expiration_date, Bytes notification) {
  call.function = &organization_update_function;
  call.route = route_of(organization_id);
  call.text(organization_id).optional_datetime(expiration_date).bytes(notification);
}

// It waits for transactions on other connections, so it keeps none waiting that write.
const Function await_writes_function{
    .name = "await_writes",
    .sql = "SELECT * FROM parsec_functions.await_writes($1,$2)",
    .parameter_count = 2,
    .access = Access::heavy_read,
};

void await_writes(Request& call, std::string_view organization_id,
                  std::optional<std::string_view> user_id) {
  call.function = &await_writes_function;
  call.route = route_of(organization_id);
  call.text(organization_id).optional_text(user_id);
}

const Function organization_bootstrap_function{
    .name = "organization_bootstrap",
    .sql =
        "SELECT * FROM parsec_functions.organization_bootstrap"
        "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)",
    .parameter_count = 14,
    .access = Access::solo_write,
};

void organization_bootstrap(Request& call, std::string_view organization_id,
                            std::string_view bootstrap_token, Bytes root_verify_key,
                            const NewUser& user, Bytes notification) {
  call.function = &organization_bootstrap_function;
  call.route = route_of(organization_id);
  call.text(organization_id)
      .bytes(as_bytes(bootstrap_token))  // as octets: a client's token may hold a NUL
      .bytes(root_verify_key)
      .datetime(user.certified_on)
      .text(user.user_id)
      .optional_text(user.human_email)
      .optional_text(user.human_label)
      .bytes(user.user_certificate)
      .bytes(user.redacted_user_certificate)
      .text(user.device.device_id)
      .optional_text(user.device.device_label)
      .bytes(user.device.device_certificate)
      .bytes(user.device.redacted_device_certificate)
      .bytes(notification);
}

}  // namespace parsec::db::functions
