// Once the reply `ok` to a revocation or an expiration is there, nothing more of those concerned is
// stored: as a race of many rounds, of writers on both servers against whoever ends their rights.
#include "tests/integration/concurrency.h"

namespace parsec::testing {
namespace {

class EndOfRights : public Concurrency {
 protected:
  static constexpr int rounds = 25;
  static constexpr int connections = 8;
  static constexpr int requests = 30;  // of each connection, sent at once

  /// Rows that devices of these users wrote.
  static std::int64_t written(DatabaseProbe& probe, const Organization& organization,
                              const std::string& user) {
    return probe
        .value(
            "WITH d AS (SELECT d._id FROM device AS d JOIN organization AS o"
            "  ON o._id = d.organization WHERE organization_id = $1 AND device_id LIKE $2)"
            " SELECT (SELECT count(*) FROM vlob_atom WHERE author IN (SELECT _id FROM d))"
            " + (SELECT count(*) FROM block WHERE author IN (SELECT _id FROM d))",
            {organization.id(), user + "@%"})
        .integer();
  }
  static void flood(std::vector<Session>& writers, Uuid realm_id) {
    for (Session& session : writers) {
      for (int i = 0; i < requests; ++i) {
        if (i % 4 == 3) {
          session.start("block_create",
                        {{"realm_id", realm_id}, {"block_id", new_uuid()}, {"block", "b"_bin}});
        } else {
          session.start("vlob_create", creation(realm_id, new_uuid(), "v"_bin));
        }
      }
    }
  }
  /// Some of it is stored, and then the rights end: how many rows came after the `ok`.
  static std::int64_t late_rows(const Organization& organization, std::vector<Session> writers,
                                const std::string& user, Uuid realm_id,
                                const std::function<void()>& end_rights) {
    DatabaseProbe probe = database();
    flood(writers, realm_id);
    EXPECT_TRUE(eventually([&] { return written(probe, organization, user) > 0; }));
    end_rights();
    const std::int64_t before = written(probe, organization, user);
    for (Session& session : writers) EXPECT_EQ(session.wait_end(), 1000);
    return written(probe, organization, user) - before;
  }
};

TEST_F(EndOfRights, NothingOfARevokedUserIsStoredAfterTheOk) {
  Session alice = this->alice();
  const Uuid realm_id = alice.create_realm();
  Session alice_there = again(alice, there());
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    const std::string user = "user" + std::to_string(round);
    Session first = alice.organization().connect(alice.add_user(user));
    alice.share(realm_id, user, "CONTRIBUTOR");
    Session& admin = round % 2 == 0 ? alice : alice_there;
    // Its date lies ahead in every third round.
    const auto date = round % 3 == 0 ? now() + 10min : now();
    const Map fields{{"revoked_user_certificate", alice.revocation(user, date)}};
    EXPECT_EQ(late_rows(alice.organization(), several(first, connections), user, realm_id,
                        [&] { EXPECT_THAT(admin.call("user_revoke", fields), Ok()); }),
              0);
  }
}

TEST_F(EndOfRights, NothingOfAnExpiredOrganizationIsStoredAfterTheOk) {
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    Session alice = this->alice();
    const Uuid realm_id = alice.create_realm();
    Connection admin = administration(round % 2 == 0 ? here() : there());
    const Map fields{{"organization_id", alice.organization_id()}, {"expiration_date", now()}};
    EXPECT_EQ(late_rows(alice.organization(), several(alice, connections), "alice", realm_id,
                        [&] { EXPECT_THAT(admin.call("organization_update", fields), Ok()); }),
              0);
  }
}

}  // namespace
}  // namespace parsec::testing
