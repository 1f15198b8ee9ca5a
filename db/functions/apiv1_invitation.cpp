// See apiv1_invitation.h. The order of parameters is that of
// db/schema/sql/functions/apiv1_invitation.sql.
#include "db/functions/apiv1_invitation.h"

#include "db/functions/route.h"

namespace parsec::db::functions {

namespace {

// What writes may wait for another call about the same ID: so it holds no other lock meanwhile.
constexpr Function write(const char* name, const char* sql, int parameters) {
  return {.name = name, .sql = sql, .parameter_count = parameters, .access = Access::solo_write};
}
constexpr Function read(const char* name, const char* sql, int parameters) {
  return {.name = name, .sql = sql, .parameter_count = parameters, .access = Access::read};
}

const Function user_invite =
    write("user_invite", "SELECT * FROM parsec_functions.user_invite($1,$2,$3)", 3);
const Function device_invite =
    write("device_invite", "SELECT * FROM parsec_functions.device_invite($1,$2,$3)", 3);
const Function user_cancel_invitation =
    write("user_cancel_invitation",
          "SELECT * FROM parsec_functions.user_cancel_invitation($1,$2,$3,$4)", 4);
const Function device_cancel_invitation =
    write("device_cancel_invitation",
          "SELECT * FROM parsec_functions.device_cancel_invitation($1,$2,$3,$4)", 4);
const Function user_get_invitation_creator =
    read("user_get_invitation_creator",
         "SELECT * FROM parsec_functions.user_get_invitation_creator($1,$2)", 2);
const Function device_get_invitation_creator =
    read("device_get_invitation_creator",
         "SELECT * FROM parsec_functions.device_get_invitation_creator($1,$2)", 2);
const Function user_claim =
    write("user_claim", "SELECT * FROM parsec_functions.user_claim($1,$2,$3,$4)", 4);
const Function device_claim =
    write("device_claim", "SELECT * FROM parsec_functions.device_claim($1,$2,$3,$4)", 4);
const Function kept_claim_function =
    read("kept_claim", "SELECT * FROM parsec_functions.kept_claim($1,$2)", 2);
const Function user_created_function =
    read("user_created", "SELECT * FROM parsec_functions.user_created($1,$2)", 2);

/// The function of that kind, and the parameters that all have.
Request& start(Request& call, const Function& of_user, const Function& of_device, Invited kind,
               std::string_view organization_id) {
  call.function = kind == Invited::user ? &of_user : &of_device;
  call.route = route_of(organization_id);
  return call.text(organization_id);
}

}  // namespace

void invite(Request& call, Author author, Invited kind, std::string_view invited_id) {
  start(call, user_invite, device_invite, kind, author.organization_id)
      .text(author.device_id)
      .text(invited_id);
}

void cancel_invitation(Request& call, Author author, Invited kind, std::string_view invited_id,
                       Bytes notification) {
  start(call, user_cancel_invitation, device_cancel_invitation, kind, author.organization_id)
      .text(author.device_id)
      .text(invited_id)
      .bytes(notification);
}

void get_invitation_creator(Request& call, std::string_view organization_id, Invited kind,
                            std::string_view invited_id) {
  start(call, user_get_invitation_creator, device_get_invitation_creator, kind, organization_id)
      .text(invited_id);
}

void claim(Request& call, std::string_view organization_id, Invited kind,
           std::string_view invited_id, Bytes notification, std::optional<Bytes> kept_claim) {
  start(call, user_claim, device_claim, kind, organization_id)
      .text(invited_id)
      .bytes(notification)
      .optional_bytes(kept_claim);
}

void kept_claim(Request& call, std::string_view organization_id, std::string_view invited_id) {
  call.function = &kept_claim_function;
  call.route = route_of(organization_id);
  call.text(organization_id).text(invited_id);
}

void user_created(Request& call, std::string_view organization_id,
                  std::string_view first_device_id) {
  call.function = &user_created_function;
  call.route = route_of(organization_id);
  call.text(organization_id).text(first_device_id);
}

}  // namespace parsec::db::functions
