// See realm.h. The order of parameters is that of db/schema/sql/functions/realm.sql.
#include "db/functions/realm.h"

#include "db/functions/route.h"

namespace parsec::db::functions {

const Function realm_create_function{
    .name = "realm_create",
    .sql = "SELECT * FROM parsec_functions.realm_create($1,$2,$3,$4,$5,$6)",
    .parameter_count = 6,
    .access = Access::solo_write,
};

void realm_create(Request& call, Author author, const RoleGrant& grant, Bytes notification) {
  call.function = &realm_create_function;
  call.route = route_of(author.organization_id, grant.realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(grant.realm_id)
      .bytes(grant.certificate)
      .datetime(grant.certified_on)
      .bytes(notification);
}

const Function realm_status_function{
    .name = "realm_status",
    .sql = "SELECT * FROM parsec_functions.realm_status($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::read,
};

void realm_status(Request& call, Author author, const Uuid& realm_id) {
  call.function = &realm_status_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id).text(author.device_id).uuid(realm_id);
}

// Adds up what other servers have stored since it was summed last.
const Function realm_stats_function{
    .name = "realm_stats",
    .sql = "SELECT * FROM parsec_functions.realm_stats($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::heavy_read,
};

void realm_stats(Request& call, Author author, const Uuid& realm_id) {
  call.function = &realm_stats_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id).text(author.device_id).uuid(realm_id);
}

const Function realm_get_role_certificates_function{
    .name = "realm_get_role_certificates",
    .sql = "SELECT * FROM parsec_functions.realm_get_role_certificates($1,$2,$3,$4)",
    .parameter_count = 4,
    .access = Access::list_read,
};

void realm_get_role_certificates(Request& call, Author author, const Uuid& realm_id,
                                 std::optional<DateTime> since) {
  call.function = &realm_get_role_certificates_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id).text(author.device_id).uuid(realm_id).optional_datetime(since);
}

// Locks a realm, then a user: never while other realms are held.
const Function realm_update_roles_function{
    .name = "realm_update_roles",
    .sql = "SELECT * FROM parsec_functions.realm_update_roles($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
    .parameter_count = 10,
    .access = Access::solo_write,
};

void realm_update_roles(Request& call, Author author, const RoleGrant& grant,
                        std::optional<Bytes> recipient_message, Bytes notification,
                        Bytes message_notification) {
  call.function = &realm_update_roles_function;
  call.route = route_of(author.organization_id, grant.realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(grant.realm_id)
      .text(grant.user_id)
      .optional_text(grant.role)
      .bytes(grant.certificate)
      .datetime(grant.certified_on)
      .optional_bytes(recipient_message)
      .bytes(notification)
      .bytes(message_notification);
}

}  // namespace parsec::db::functions
