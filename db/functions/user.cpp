// See user.h. The order of parameters is that of db/schema/sql/functions/user.sql.
#include "db/functions/user.h"

#include "db/functions/route.h"
#include "db/functions/search_pattern.h"

namespace parsec::db::functions {

const Function user_get_function{
    .name = "user_get",
    .sql = "SELECT * FROM parsec_functions.user_get($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::list_read,
};

void user_get(Request& call, Author author, std::string_view user_id) {
  call.function = &user_get_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id).text(author.device_id).text(user_id);
}

// Looks at all users of the organization.
const Function human_find_function{
    .name = "human_find",
    .sql = "SELECT * FROM parsec_functions.human_find($1,$2,$3,$4,$5,$6,$7)",
    .parameter_count = 7,
    .access = Access::heavy_read,
};

void human_find(Request& call, Author author, std::optional<std::string_view> query,
                bool omit_revoked, bool omit_non_human, Page page) {
  const auto pattern = query ? search_pattern(*query) : std::nullopt;
  call.function = &human_find_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .optional_text(pattern)
      .boolean(omit_revoked)
      .boolean(omit_non_human)
      .int8(page.offset)
      .int8(page.size);
}

const Function user_find_function{
    .name = "user_find",
    .sql = "SELECT * FROM parsec_functions.user_find($1,$2,$3,$4,$5,$6)",
    .parameter_count = 6,
    .access = Access::heavy_read,
};

void user_find(Request& call, Author author, std::optional<std::string_view> query,
               bool omit_revoked, Page page) {
  call.function = &user_find_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .optional_text(query)
      .boolean(omit_revoked)
      .int8(page.offset)
      .int8(page.size);
}

const Function user_create_function{
    .name = "user_create",
    .sql =
        "SELECT * FROM parsec_functions.user_create"
        "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)",
    .parameter_count = 14,
    .access = Access::solo_write,
};

void user_create(Request& call, Author author, const NewUser& user, Bytes notification) {
  call.function = &user_create_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .datetime(user.certified_on)
      .text(user.user_id)
      .text(user.profile)
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

const Function user_revoke_function{
    .name = "user_revoke",
    .sql = "SELECT * FROM parsec_functions.user_revoke($1,$2,$3,$4,$5,$6)",
    .parameter_count = 6,
    .access = Access::solo_write,
};

void user_revoke(Request& call, Author author, std::string_view user_id, DateTime revoked_on,
                 Bytes revoked_user_certificate, Bytes notification) {
  call.function = &user_revoke_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .text(user_id)
      .datetime(revoked_on)
      .bytes(revoked_user_certificate)
      .bytes(notification);
}

}  // namespace parsec::db::functions
