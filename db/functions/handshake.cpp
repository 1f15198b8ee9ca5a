// See handshake.h. The order of parameters is that of db/schema/sql/functions/handshake.sql.
#include "db/functions/handshake.h"

#include "db/functions/route.h"

namespace parsec::db::functions {

const Function handshake_authenticated_function{
    .name = "handshake_authenticated",
    .sql = "SELECT * FROM parsec_functions.handshake_authenticated($1,$2)",
    .parameter_count = 2,
    .access = Access::handshake,
};

void handshake_authenticated(Request& call, std::string_view organization_id,
                             std::string_view device_id) {
  call.function = &handshake_authenticated_function;
  call.route = route_of(organization_id);
  call.text(organization_id).text(device_id);
}

const Function handshake_anonymous_function{
    .name = "handshake_anonymous",
    .sql = "SELECT * FROM parsec_functions.handshake_anonymous($1)",
    .parameter_count = 1,
    .access = Access::handshake,
};
const Function handshake_anonymous_or_create_function{
    .name = "handshake_anonymous_or_create",
    .sql = "SELECT * FROM parsec_functions.handshake_anonymous_or_create($1)",
    .parameter_count = 1,
    .access = Access::solo_write,
};

void handshake_anonymous(Request& call, std::string_view organization_id, bool create) {
  call.function = create ? &handshake_anonymous_or_create_function : &handshake_anonymous_function;
  call.route = route_of(organization_id);
  call.text(organization_id);
}

const Function handshake_invited_function{
    .name = "handshake_invited",
    .sql = "SELECT * FROM parsec_functions.handshake_invited($1,$2)",
    .parameter_count = 2,
    .access = Access::handshake,
};

void handshake_invited(Request& call, std::string_view organization_id, const Uuid& token) {
  call.function = &handshake_invited_function;
  call.route = route_of(organization_id);
  call.text(organization_id).uuid(token);
}

const Function announce_expired_function{
    .name = "announce_expired",
    .sql = "SELECT * FROM parsec_functions.announce_expired($1,$2)",
    .parameter_count = 2,
    .access = Access::shared_write,
};

void announce_expired(Request& call, std::string_view organization_id, Bytes notification) {
  call.function = &announce_expired_function;
  call.route = route_of(organization_id);
  call.text(organization_id).bytes(notification);
}

const Function user_realms_function{
    .name = "user_realms",
    .sql = "SELECT * FROM parsec_functions.user_realms($1,$2)",
    .parameter_count = 2,
    .access = Access::list_read,
};

void user_realms(Request& call, std::string_view organization_id, std::string_view user_id) {
  call.function = &user_realms_function;
  call.route = route_of(organization_id);
  call.text(organization_id).text(user_id);
}

}  // namespace parsec::db::functions
