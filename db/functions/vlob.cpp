// See vlob.h. The order of parameters is that of db/schema/sql/functions/vlob.sql.
#include "db/functions/vlob.h"

#include <array>

#include "db/driver/call_set.h"
#include "db/functions/realms_lock.h"
#include "db/functions/route.h"

namespace parsec::db::functions {

namespace {

constexpr const char* vlob_create_sql =
    "SELECT * FROM parsec_functions.vlob_create($1,$2,$3,$4,$5,$6,$7,$8,$9)";

using enum SqlType;

constexpr std::array vlob_create_types{text, text, uuid, int8, uuid, timestamptz, bytea, bytea};
constexpr SetStatement vlob_create_set{
    .function = {.name = "vlob_create_set",
                 .sql = "SELECT * FROM parsec_functions.vlob_create_set($1,$2,$3,$4,$5,$6,$7,$8)",
                 .parameter_count = vlob_create_types.size(),
                 .access = Access::shared_write},
    .types = vlob_create_types,
    .distinct = 4,
    .before = &realms_lock,
};

constexpr std::array vlob_update_types{text, text,        uuid,  int8, uuid,
                                       int8, timestamptz, bytea, bytea};
constexpr SetStatement vlob_update_set{
    .function = {.name = "vlob_update_set",
                 .sql =
                     "SELECT * FROM parsec_functions.vlob_update_set($1,$2,$3,$4,$5,$6,$7,$8,$9)",
                 .parameter_count = vlob_update_types.size(),
                 .access = Access::shared_write},
    .types = vlob_update_types,
    .distinct = 4,
    .before = &realms_lock,
};

constexpr std::array vlob_read_types{text, text, int8, uuid, int8, timestamptz};
constexpr SetStatement vlob_read_set{
    .function = {.name = "vlob_read_set",
                 .sql = "SELECT * FROM parsec_functions.vlob_read_set($1,$2,$3,$4,$5,$6)",
                 .parameter_count = vlob_read_types.size(),
                 .access = Access::read},
    .types = vlob_read_types,
};

}  // namespace

const Function vlob_create_function{
    .name = "vlob_create",
    .sql = vlob_create_sql,
    .parameter_count = 9,
    .access = Access::shared_write,
    .set = &vlob_create_set,
};
const Function vlob_create_alone_function{
    .name = "vlob_create_alone",
    .sql = vlob_create_sql,
    .parameter_count = 9,
    .access = Access::solo_write,
};

void vlob_create(Request& call, Author author, const Uuid& realm_id, const VlobVersion& version,
                 Bytes notification) {
  call.function = &vlob_create_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(realm_id)
      .int8(version.encryption_revision)
      .uuid(version.vlob_id)
      .datetime(version.created_on)
      .bytes(version.blob)
      .bytes(notification)
      .boolean(false);
}

void vlob_create_alone(Request& call) {
  call.function = &vlob_create_alone_function;
  call.replace_boolean(8, true);
}

const Function vlob_read_function{
    .name = "vlob_read",
    .sql = "SELECT * FROM parsec_functions.vlob_read($1,$2,$3,$4,$5,$6)",
    .parameter_count = 6,
    .access = Access::read,
    .set = &vlob_read_set,
};

void vlob_read(Request& call, Author author, std::int64_t encryption_revision, const Uuid& vlob_id,
               std::optional<std::int64_t> version, std::optional<DateTime> instant) {
  call.function = &vlob_read_function;
  call.route = route_of(author.organization_id, vlob_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .int8(encryption_revision)
      .uuid(vlob_id)
      .optional_int8(version)
      .optional_datetime(instant);
}

const Function vlob_update_function{
    .name = "vlob_update",
    .sql = "SELECT * FROM parsec_functions.vlob_update($1,$2,$3,$4,$5,$6,$7,$8,$9)",
    .parameter_count = 9,
    .access = Access::shared_write,
    .set = &vlob_update_set,
};

void vlob_update(Request& call, Author author, const Uuid& presumed_realm_id,
                 const VlobVersion& version, Bytes notification) {
  call.function = &vlob_update_function;
  call.route = route_of(author.organization_id, presumed_realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(presumed_realm_id)
      .int8(version.encryption_revision)
      .uuid(version.vlob_id)
      .int8(version.version)
      .datetime(version.created_on)
      .bytes(version.blob)
      .bytes(notification);
}

void vlob_update_in(Request& call, std::string_view organization_id, const Uuid& realm_id) {
  call.route = route_of(organization_id, realm_id);
  call.replace_uuid(2, realm_id);
}

const Function vlob_poll_changes_function{
    .name = "vlob_poll_changes",
    .sql = "SELECT * FROM parsec_functions.vlob_poll_changes($1,$2,$3,$4)",
    .parameter_count = 4,
    .access = Access::list_read,
};

void vlob_poll_changes(Request& call, Author author, const Uuid& realm_id,
                       std::int64_t last_checkpoint) {
  call.function = &vlob_poll_changes_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id).text(author.device_id).uuid(realm_id).int8(last_checkpoint);
}

const Function vlob_list_versions_function{
    .name = "vlob_list_versions",
    .sql = "SELECT * FROM parsec_functions.vlob_list_versions($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::list_read,
};

void vlob_list_versions(Request& call, Author author, const Uuid& vlob_id) {
  call.function = &vlob_list_versions_function;
  call.route = route_of(author.organization_id, vlob_id);
  call.text(author.organization_id).text(author.device_id).uuid(vlob_id);
}

}  // namespace parsec::db::functions
