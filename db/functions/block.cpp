// See block.h. The order of parameters is that of db/schema/sql/functions/block.sql.
#include "db/functions/block.h"

#include <array>

#include "db/driver/call_set.h"
#include "db/functions/realms_lock.h"
#include "db/functions/route.h"

namespace parsec::db::functions {

namespace {

using enum SqlType;

constexpr std::array check_types{text, text, uuid, uuid};
constexpr SetStatement block_create_check_set{
    .function = {.name = "block_create_check_set",
                 .sql = "SELECT * FROM parsec_functions.block_create_check_set($1,$2,$3,$4)",
                 .parameter_count = check_types.size(),
                 .access = Access::read},
    .types = check_types,
};

constexpr std::array create_types{text, text, uuid, uuid, int4};
constexpr SetStatement block_create_set{
    .function = {.name = "block_create_set",
                 .sql = "SELECT * FROM parsec_functions.block_create_set($1,$2,$3,$4,$5)",
                 .parameter_count = create_types.size(),
                 .access = Access::shared_write},
    .types = create_types,
    .distinct = 3,
    .before = &realms_lock,
};

constexpr std::array data_create_types{text, uuid, bytea};
constexpr SetStatement block_data_create_set{
    .function = {.name = "block_data_create_set",
                 .sql = "SELECT * FROM parsec_functions.block_data_create_set($1,$2,$3)",
                 .parameter_count = data_create_types.size(),
                 .access = Access::shared_write},
    .types = data_create_types,
    .distinct = 1,
};

constexpr std::array read_types{text, text, uuid};
constexpr SetStatement block_read_set{
    .function = {.name = "block_read_set",
                 .sql = "SELECT * FROM parsec_functions.block_read_set($1,$2,$3)",
                 .parameter_count = read_types.size(),
                 .access = Access::read},
    .types = read_types,
};

}  // namespace

const Function block_create_check_function{
    .name = "block_create_check",
    .sql = "SELECT * FROM parsec_functions.block_create_check($1,$2,$3,$4)",
    .parameter_count = 4,
    .access = Access::read,
    .set = &block_create_check_set,
};

void block_create_check(Request& call, Author author, const Uuid& realm_id, const Uuid& block_id) {
  call.function = &block_create_check_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id).text(author.device_id).uuid(realm_id).uuid(block_id);
}

namespace {
constexpr const char* block_create_sql =
    "SELECT * FROM parsec_functions.block_create($1,$2,$3,$4,$5,$6)";
}

const Function block_create_function{
    .name = "block_create",
    .sql = block_create_sql,
    .parameter_count = 6,
    .access = Access::shared_write,
    .set = &block_create_set,
};
const Function block_create_alone_function{
    .name = "block_create_alone",
    .sql = block_create_sql,
    .parameter_count = 6,
    .access = Access::solo_write,
};

void block_create(Request& call, Author author, const Uuid& realm_id, const Uuid& block_id,
                  std::int32_t size_bytes) {
  call.function = &block_create_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(realm_id)
      .uuid(block_id)
      .int4(size_bytes)
      .boolean(false);
}

void block_create_alone(Request& call) {
  call.function = &block_create_alone_function;
  call.replace_boolean(5, true);
}

const Function block_read_function{
    .name = "block_read",
    .sql = "SELECT * FROM parsec_functions.block_read($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::read,
    .set = &block_read_set,
};

void block_read(Request& call, Author author, const Uuid& block_id) {
  call.function = &block_read_function;
  call.route = route_of(author.organization_id, block_id);
  call.text(author.organization_id).text(author.device_id).uuid(block_id);
}

// Its route is the block's, so whoever stores the same one is waited for in one order everywhere.
const Function block_data_create_function{
    .name = "block_data_create",
    .sql = "SELECT * FROM parsec_functions.block_data_create($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::shared_write,
    .set = &block_data_create_set,
};

void block_data_create(Request& call, std::string_view organization_id, const Uuid& block_id,
                       Bytes data) {
  call.function = &block_data_create_function;
  call.route = route_of(organization_id, block_id);
  call.text(organization_id).uuid(block_id).bytes(data);
}

const Function block_data_read_function{
    .name = "block_data_read",
    .sql = "SELECT * FROM parsec_functions.block_data_read($1,$2)",
    .parameter_count = 2,
    .access = Access::read,
};

void block_data_read(Request& call, std::string_view organization_id, const Uuid& block_id) {
  call.function = &block_data_read_function;
  call.route = route_of(organization_id, block_id);
  call.text(organization_id).uuid(block_id);
}

}  // namespace parsec::db::functions
