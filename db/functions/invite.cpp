// See invite.h. The order of parameters is that of db/schema/sql/functions/invite.sql.
#include "db/functions/invite.h"

#include "db/functions/route.h"

namespace parsec::db::functions {

const Function invite_new_function{
    .name = "invite_new",
    .sql = "SELECT * FROM parsec_functions.invite_new($1,$2,$3,$4,$5,$6,$7)",
    .parameter_count = 7,
    .access = Access::solo_write,
};

void invite_new(Request& call, Author author, const NewInvitation& invitation, Bytes notification) {
  call.function = &invite_new_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .text(invitation.type)
      .optional_text(invitation.claimer_email)
      .uuid(invitation.token)
      .boolean(invitation.needs_human)
      .bytes(notification);
}

const Function invite_delete_function{
    .name = "invite_delete",
    .sql = "SELECT * FROM parsec_functions.invite_delete($1,$2,$3,$4,$5)",
    .parameter_count = 5,
    .access = Access::shared_write,
};

void invite_delete(Request& call, Author author, const Uuid& token, std::string_view reason,
                   Bytes notification) {
  call.function = &invite_delete_function;
  call.route = route_of(author.organization_id, token);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(token)
      .text(reason)
      .bytes(notification);
}

const Function invite_announce_function{
    .name = "invite_announce",
    .sql = "SELECT * FROM parsec_functions.invite_announce($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::shared_write,
};
const Function claimer_announce_function{
    .name = "claimer_announce",
    .sql = "SELECT * FROM parsec_functions.invite_announce($1,$2,$3)",
    .parameter_count = 3,
    .access = Access::shared_write,
};

namespace {

void announce(Request& call, const Function& function, std::string_view organization_id,
              const Uuid& token, Bytes notification) {
  call.function = &function;
  call.route = route_of(organization_id, token);
  call.text(organization_id).uuid(token).bytes(notification);
}

}  // namespace

void invite_announce(Request& call, std::string_view organization_id, const Uuid& token,
                     Bytes notification) {
  announce(call, invite_announce_function, organization_id, token, notification);
}

void claimer_announce(Request& call, std::string_view organization_id, const Uuid& token,
                      Bytes notification) {
  announce(call, claimer_announce_function, organization_id, token, notification);
}

const Function invite_list_function{
    .name = "invite_list",
    .sql = "SELECT * FROM parsec_functions.invite_list($1,$2)",
    .parameter_count = 2,
    .access = Access::list_read,
};

void invite_list(Request& call, Author author) {
  call.function = &invite_list_function;
  call.route = route_of(author.organization_id);
  call.text(author.organization_id).text(author.device_id);
}

const Function invite_info_function{
    .name = "invite_info",
    .sql = "SELECT * FROM parsec_functions.invite_info($1,$2)",
    .parameter_count = 2,
    .access = Access::read,
};

void invite_info(Request& call, std::string_view organization_id, const Uuid& token) {
  call.function = &invite_info_function;
  call.route = route_of(organization_id, token);
  call.text(organization_id).uuid(token);
}

namespace {

void start_conduit(Request& call, const Function& function, const ConduitSide& side,
                   std::string_view state) {
  call.function = &function;
  call.route = route_of(side.organization_id, side.token);
  call.text(side.organization_id).optional_text(side.device_id).uuid(side.token).text(state);
}

}  // namespace

const Function conduit_talk_function{
    .name = "conduit_talk",
    .sql = "SELECT * FROM parsec_functions.conduit_talk($1,$2,$3,$4,$5,$6)",
    .parameter_count = 6,
    .access = Access::shared_write,
};

void conduit_talk(Request& call, const ConduitSide& side, std::string_view state, Bytes payload,
                  Bytes notification) {
  start_conduit(call, conduit_talk_function, side, state);
  call.bytes(payload).bytes(notification);
}

const Function conduit_listen_function{
    .name = "conduit_listen",
    .sql = "SELECT * FROM parsec_functions.conduit_listen($1,$2,$3,$4,$5,$6,$7)",
    .parameter_count = 7,
    .access = Access::shared_write,
};

void conduit_listen(Request& call, const ConduitSide& side, std::string_view state,
                    Bytes own_digest, std::optional<Bytes> peer_digest, Bytes notification) {
  start_conduit(call, conduit_listen_function, side, state);
  call.bytes(own_digest).optional_bytes(peer_digest).bytes(notification);
}

}  // namespace parsec::db::functions
