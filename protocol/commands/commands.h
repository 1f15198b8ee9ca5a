// The commands, one file per family of protocol/4-commands.md and protocol/7-apiv1.md. Which kind
// of connection is offered which: table.cpp.
#pragma once

#include "protocol/session/command.h"
#include "protocol/session/session.h"
#include "protocol/types/fields.h"

namespace parsec::protocol::commands {

// ping.cpp
Command ping(Session& session, Fields fields);        // emits `pinged`
Command quiet_ping(Session& session, Fields fields);  // other kinds of connection
// events.cpp
Command events_subscribe(Session& session, Fields fields);
Command events_listen(Session& session, Fields fields);
// invites.cpp: the greeter's, and invite_info
Command invite_new(Session& session, Fields fields);
Command invite_delete(Session& session, Fields fields);
Command invite_list(Session& session, Fields fields);
Command invite_info(Session& session, Fields fields);
// conduit.cpp
Command invite_1_claimer_wait_peer(Session& session, Fields fields);
Command invite_1_greeter_wait_peer(Session& session, Fields fields);
Command invite_2a_claimer_send_hashed_nonce(Session& session, Fields fields);
Command invite_2a_greeter_get_hashed_nonce(Session& session, Fields fields);
Command invite_2b_greeter_send_nonce(Session& session, Fields fields);
Command invite_2b_claimer_send_nonce(Session& session, Fields fields);
Command invite_3a_claimer_signify_trust(Session& session, Fields fields);
Command invite_3a_greeter_wait_peer_trust(Session& session, Fields fields);
Command invite_3b_greeter_signify_trust(Session& session, Fields fields);
Command invite_3b_claimer_wait_peer_trust(Session& session, Fields fields);
Command invite_4_greeter_communicate(Session& session, Fields fields);
Command invite_4_claimer_communicate(Session& session, Fields fields);
// messages.cpp
Command message_get(Session& session, Fields fields);
// users.cpp
Command user_get(Session& session, Fields fields);
Command human_find(Session& session, Fields fields);
Command user_create(Session& session, Fields fields);
Command user_revoke(Session& session, Fields fields);
// devices.cpp
Command device_create(Session& session, Fields fields);
// apiv1_users.cpp: the forms of API v1 that differ
Command user_find(Session& session, Fields fields);
Command user_create_v1(Session& session, Fields fields);
Command device_create_v1(Session& session, Fields fields);
// apiv1_invitations.cpp
Command user_invite(Session& session, Fields fields);
Command user_cancel_invitation(Session& session, Fields fields);
Command user_get_invitation_creator(Session& session, Fields fields);
Command user_claim(Session& session, Fields fields);
Command device_invite(Session& session, Fields fields);
Command device_cancel_invitation(Session& session, Fields fields);
Command device_get_invitation_creator(Session& session, Fields fields);
Command device_claim(Session& session, Fields fields);
// realms.cpp
Command realm_create(Session& session, Fields fields);
Command realm_status(Session& session, Fields fields);
Command realm_stats(Session& session, Fields fields);
Command realm_get_role_certificates(Session& session, Fields fields);
Command realm_update_roles(Session& session, Fields fields);
// maintenance.cpp
Command realm_start_reencryption_maintenance(Session& session, Fields fields);
Command realm_finish_reencryption_maintenance(Session& session, Fields fields);
Command vlob_maintenance_get_reencryption_batch(Session& session, Fields fields);
Command vlob_maintenance_save_reencryption_batch(Session& session, Fields fields);
// vlobs.cpp
Command vlob_create(Session& session, Fields fields);
Command vlob_read(Session& session, Fields fields);
Command vlob_update(Session& session, Fields fields);
Command vlob_poll_changes(Session& session, Fields fields);
Command vlob_list_versions(Session& session, Fields fields);
// blocks.cpp
Command block_create(Session& session, Fields fields);
Command block_read(Session& session, Fields fields);
// administration.cpp
Command organization_create(Session& session, Fields fields);
Command organization_status(Session& session, Fields fields);
Command organization_stats(Session& session, Fields fields);
Command organization_update(Session& session, Fields fields);
// bootstrap.cpp
Command organization_bootstrap(Session& session, Fields fields);

}  // namespace parsec::protocol::commands
