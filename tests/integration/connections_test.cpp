// What each kind of connection offers (protocol/1-transport.md §1.4, protocol/4-commands.md,
// protocol/7-apiv1.md), and what ends connections during their life (protocol/2-handshake.md §2.3).
#include <string_view>
#include <vector>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class OfferedCommands : public IntegrationTest {
 protected:
  using Names = std::vector<std::string_view>;
  static inline const Names common{"events_subscribe",
                                   "events_listen",
                                   "message_get",
                                   "user_get",
                                   "human_find",
                                   "user_create",
                                   "user_revoke",
                                   "device_create",
                                   "realm_create",
                                   "realm_status",
                                   "realm_stats",
                                   "realm_get_role_certificates",
                                   "realm_update_roles",
                                   "realm_start_reencryption_maintenance",
                                   "realm_finish_reencryption_maintenance",
                                   "vlob_create",
                                   "vlob_read",
                                   "vlob_update",
                                   "vlob_poll_changes",
                                   "vlob_list_versions",
                                   "vlob_maintenance_get_reencryption_batch",
                                   "vlob_maintenance_save_reencryption_batch",
                                   "block_create",
                                   "block_read"};
  static inline const Names v1{"user_find"};
  static inline const Names anonymous{"organization_bootstrap"};
  static inline const Names administrator{"organization_create", "organization_stats",
                                          "organization_status", "organization_update"};
  static inline const Names v1_invitations{"user_invite", "user_cancel_invitation", "device_invite",
                                           "device_cancel_invitation"};
  static inline const Names claims{"user_claim", "user_get_invitation_creator", "device_claim",
                                   "device_get_invitation_creator"};
  static inline const Names greeter{"invite_new",
                                    "invite_delete",
                                    "invite_list",
                                    "invite_1_greeter_wait_peer",
                                    "invite_2a_greeter_get_hashed_nonce",
                                    "invite_2b_greeter_send_nonce",
                                    "invite_3a_greeter_wait_peer_trust",
                                    "invite_3b_greeter_signify_trust",
                                    "invite_4_greeter_communicate"};
  static inline const Names claimer{"invite_info",
                                    "invite_1_claimer_wait_peer",
                                    "invite_2a_claimer_send_hashed_nonce",
                                    "invite_2b_claimer_send_nonce",
                                    "invite_3a_claimer_signify_trust",
                                    "invite_3b_claimer_wait_peer_trust",
                                    "invite_4_claimer_communicate"};

  static void expect_offered(Connection& connection, const std::vector<const Names*>& offered,
                             const std::vector<const Names*>& others) {
    EXPECT_THAT(connection.call("ping", {{"ping", "h\xC3\xA9llo"}}),
                Ok({{"pong", "h\xC3\xA9llo"}}));
    EXPECT_THAT(connection.call("ping"), Invalid({{"ping", missing}}));
    for (const Names* family : offered) {
      for (const std::string_view cmd : *family) {
        EXPECT_NE(connection.call(cmd, {{"wait", false}}), unknown_command) << cmd;
      }
    }
    for (const Names* family : others) {
      for (const std::string_view cmd : *family) {
        EXPECT_EQ(connection.call(cmd, {{"wait", false}}), unknown_command) << cmd;
      }
    }
  }
};

TEST_F(OfferedCommands, ByKindOfConnection) {
  Session session = alice();
  expect_offered(session, {&common, &greeter},
                 {&v1, &v1_invitations, &claims, &claimer, &anonymous, &administrator});
  Session old = again(session, {}, 1);
  expect_offered(old, {&common, &v1}, {&greeter, &claims, &claimer, &anonymous, &administrator});
  Connection invited = session.organization().connect_invited(store_invitation(session, "DEVICE"));
  // The others would wait for a peer.
  static const Names claimer_alone{"invite_info", "invite_1_claimer_wait_peer",
                                   "invite_2a_claimer_send_hashed_nonce",
                                   "invite_2b_claimer_send_nonce", "invite_4_claimer_communicate"};
  expect_offered(invited, {&claimer_alone},
                 {&common, &v1, &v1_invitations, &claims, &greeter, &anonymous, &administrator});
  Connection stranger = session.organization().connect_anonymous();
  expect_offered(stranger, {&anonymous},
                 {&common, &v1, &v1_invitations, &greeter, &claimer, &administrator});
  Connection admin = administration();
  expect_offered(admin, {&administrator},
                 {&common, &v1, &v1_invitations, &claims, &greeter, &claimer, &anonymous});
}

// --- §2.3 during the life of a connection --------------------------------------------------------

class LifeOfConnections : public IntegrationTest {
 protected:
  /// Idle, listening, and with API v1, on both servers.
  static std::vector<Session> in_every_state(Session& session) {
    std::vector<Session> all;
    for (const Address& address : {here(), there()}) {
      all.push_back(again(session, address));
      all.push_back(again(session, address));
      all.back().subscribe().start("events_listen");
      all.push_back(again(session, address, 1));
      all.push_back(again(session, address, 1));
      all.back().start("events_listen");
    }
    for (Session& one : all) one.ping();
    return all;
  }
};

TEST_F(LifeOfConnections, RevocationClosesThoseOfTheUserEverywhere) {
  auto [alice, bob] = pair();
  auto [stranger, other_bob] = pair();
  std::vector<Session> victims = in_every_state(bob);
  victims.push_back(bob.organization().connect(bob.add_device("dev2"), there()));
  std::vector<Session> spared = in_every_state(alice);
  alice.revoke("bob");
  EXPECT_EQ(bob.wait_end(), 1000);
  for (Session& victim : victims) {
    EXPECT_EQ(victim.wait_end(), 1000);
    EXPECT_FALSE(victim.has_message()) << "a pending wait got a reply";
  }
  for (Session& one : spared) one.ping();
  other_bob.ping();
  for (const Address& address : {here(), there()}) {
    expect_refused_handshake(answer_of(bob.device()), "revoked_device", "Device has been revoked",
                             address);
  }
}

TEST_F(LifeOfConnections, ExpirationClosesThoseOfTheOrganizationEverywhere) {
  auto [alice, bob] = pair();
  Session stranger = this->alice();
  std::vector<Session> victims = in_every_state(bob);
  const Uuid invitation = store_invitation(alice, "DEVICE");
  std::vector<Connection> others;
  for (const Address& address : {here(), there()}) {
    others.push_back(alice.organization().connect_invited(invitation, "DEVICE", address));
    others.push_back(alice.organization().connect_anonymous(address));
  }
  expire(alice.organization());
  EXPECT_EQ(alice.wait_end(), 1000);
  EXPECT_EQ(bob.wait_end(), 1000);
  for (Session& victim : victims) EXPECT_EQ(victim.wait_end(), 1000);
  for (Connection& victim : others) EXPECT_EQ(victim.wait_end(), 1000);
  stranger.ping();
}

TEST_F(LifeOfConnections, RevocationRacingWithHandshakes) {
  Session alice = this->alice();
  for (int round = 0; round < 4; ++round) {
    const std::string name = "user" + std::to_string(round);
    const Device device = alice.add_user(name);
    std::vector<Connection> joining;
    for (int i = 0; i < 8; ++i) {
      joining.emplace_back(i % 2 == 0 ? here() : there());
      const Document challenge = joining.back().challenge();
      joining.back().send(device.answer(challenge));
      if (i == 2 * round) {
        alice.start("user_revoke", {{"revoked_user_certificate", alice.revocation(name)}});
      }
    }
    EXPECT_THAT(alice.reply(), Ok());
    for (Connection& connection : joining) {
      const Document result = connection.reply()["result"];
      EXPECT_TRUE(result == Document("ok") || result == Document("revoked_device")) << result;
      connection.wait_end();  // whoever was let in before the revocation is closed by it
    }
  }
}

}  // namespace
}  // namespace parsec::testing
