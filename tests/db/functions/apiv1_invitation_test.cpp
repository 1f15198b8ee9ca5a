// db/schema/sql/functions/apiv1_invitation.sql and its typed calls: protocol/7-apiv1.md §7.3.
#include "db/functions/apiv1_invitation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/db/function_support.h"

namespace parsec::testing {
namespace {

using namespace db::functions;
using namespace std::string_literals;

/// Both kinds have the same rules, of an ID that exists and one that does not.
struct Kind {
  Invited invited;
  const char* name;
  const char* table;
  const char* column;
  const char* new_id;
  const char* existing_id;
};

class FunctionsApiv1Invitation : public ::testing::TestWithParam<Kind> {
 protected:
  FunctionsApiv1Invitation() { world.sql.run("LISTEN app_notification"); }

  Sql::Fill invite_by(std::string_view user, std::string_view id) const {
    return [=, this](db::Request& call) { invite(call, author(user), kind.invited, id); };
  }
  Sql::Fill invite_by(std::string_view user) const { return invite_by(user, kind.new_id); }
  std::string cancel_by(std::string_view user, std::string_view id) {
    return world.sql.status([&](db::Request& call) {
      cancel_invitation(call, author(user), kind.invited, id, as_bytes("cancelled"));
    });
  }
  Sql::Fill claim_of(std::string_view id, std::optional<std::string_view> kept = {}) const {
    return [=, this](db::Request& call) {
      std::optional<Bytes> claim_bytes;
      if (kept) claim_bytes = as_bytes(*kept);
      claim(call, world.organization_id, kind.invited, id, as_bytes("claimed"), claim_bytes);
    };
  }
  Sql::Fill creator_of(std::string_view id) const {
    return [=, this](db::Request& call) {
      get_invitation_creator(call, world.organization_id, kind.invited, id);
    };
  }
  std::string kept(std::string_view id) {
    const auto reply =
        world.sql.call([&](db::Request& call) { kept_claim(call, world.organization_id, id); });
    EXPECT_EQ("ok", reply->rows().status());
    return std::string{as_text(reply->rows().bytes(0, KeptClaimColumns::encrypted_claim))};
  }
  /// What another server would see: "<ID> by <device>" of each invitation.
  std::string rows() {
    return world.sql.run("SELECT string_agg(i."s + kind.column +
                         " || ' by ' || d.device_id, ', ' ORDER BY i." + kind.column +
                         ") FROM public." + kind.table +
                         " i JOIN public.device d ON d._id = i.creator"
                         " WHERE abs(extract(epoch FROM now() - i.created_on)) < 600"
                         " AND i.organization = " +
                         world.key());
  }
  void age(const std::string& interval) {
    world.sql.run("UPDATE public."s + kind.table + " SET created_on = created_on - interval '" +
                  interval + "' WHERE organization = " + world.key());
  }
  Author author(std::string_view user) const { return const_cast<World&>(world).author(user); }

  const Kind& kind = GetParam();
  World world;
};

INSTANTIATE_TEST_SUITE_P(Kinds, FunctionsApiv1Invitation,
                         ::testing::Values(Kind{Invited::user, "user", "user_invitation", "user_id",
                                                "zoe", "bob"},
                                           Kind{Invited::device, "device", "device_invitation",
                                                "device_id", "alice@new", "alice@dev"}),
                         [](const auto& one) { return std::string{one.param.name}; });

TEST_P(FunctionsApiv1Invitation, OnePerIdTheLastCounts) {
  EXPECT_EQ("ok", world.sql.status(invite_by("alice")));
  EXPECT_EQ(kind.new_id + " by alice@dev"s, rows());
  world.sql.run("UPDATE public.user_ SET profile = 'ADMIN' WHERE _id = " + world.user_key("bob"));
  age("3 hours");
  EXPECT_EQ("ok", world.sql.status(invite_by("bob")));
  EXPECT_EQ(kind.new_id + " by bob@dev"s, rows());
  EXPECT_TRUE(world.sql.notifications().empty());
}

TEST_P(FunctionsApiv1Invitation, WhoExistsIsNotInvited) {
  EXPECT_EQ("already_exists", world.sql.status(invite_by("alice", kind.existing_id)));
  EXPECT_EQ("", rows());
}

TEST_P(FunctionsApiv1Invitation, ProfilesThatMayInviteAndCancel) {
  const std::string refusal = kind.invited == Invited::user ? "not_allowed" : "ok";
  for (const auto* user : {"bob", "olga"}) {
    EXPECT_EQ(refusal, world.sql.status(invite_by(user))) << user;
    EXPECT_EQ(refusal, cancel_by(user, kind.new_id)) << user;
  }
  EXPECT_EQ(refusal == "ok" ? 2u : 0u, world.sql.notifications().size());
}

TEST_P(FunctionsApiv1Invitation, AuthorsWhoAreGone) {
  world.sql.run("UPDATE public.user_ SET revoked_on = now() WHERE _id = " +
                world.user_key("alice"));
  EXPECT_EQ("author_revoked", world.sql.status(invite_by("alice")));
  EXPECT_EQ("author_revoked", cancel_by("alice", kind.new_id));
  EXPECT_EQ("author_unknown", world.sql.status(invite_by("nobody")));
  EXPECT_EQ("author_unknown", cancel_by("nobody", kind.new_id));
  EXPECT_TRUE(world.sql.notifications().empty());
}

TEST_P(FunctionsApiv1Invitation, ACancelledOneIsGoneAndToldOfWhetherItWasThere) {
  world.sql.status(invite_by("alice"));
  EXPECT_EQ("ok", cancel_by("alice", kind.new_id));
  EXPECT_EQ("", rows());
  EXPECT_EQ("ok", cancel_by("alice", kind.new_id));
  EXPECT_EQ("ok", cancel_by("alice", kind.existing_id));
  EXPECT_EQ((std::vector{"cancelled"s, "cancelled"s, "cancelled"s}), world.sql.notifications());
  EXPECT_EQ("not_found", world.sql.status(claim_of(kind.new_id)));
  EXPECT_EQ("not_found", world.sql.status(creator_of(kind.new_id)));
}

TEST_P(FunctionsApiv1Invitation, AClaimNeedsAValidInvitation) {
  EXPECT_EQ("not_found", world.sql.status(claim_of(kind.new_id, "kept")));
  EXPECT_EQ("", kept(kind.new_id));
  world.sql.status(invite_by("alice"));
  EXPECT_EQ("ok", world.sql.status(claim_of(kind.new_id)));
  EXPECT_EQ("ok", world.sql.status(claim_of(kind.new_id)));  // as often as they like
  EXPECT_EQ((std::vector{"claimed"s, "claimed"s}), world.sql.notifications());
  age("59 minutes");
  EXPECT_EQ("ok", world.sql.status(claim_of(kind.new_id)));
  EXPECT_EQ("ok", world.sql.status(creator_of(kind.new_id)));
  world.sql.notifications();
  age("2 minutes");
  EXPECT_EQ("not_found", world.sql.status(claim_of(kind.new_id)));
  EXPECT_EQ("not_found", world.sql.status(creator_of(kind.new_id)));
  EXPECT_TRUE(world.sql.notifications().empty());
}

TEST_P(FunctionsApiv1Invitation, AnInvitationStaysButIsNotValidForWhoCameIntoBeing) {
  world.sql.status(invite_by("alice"));
  EXPECT_EQ("ok", world.sql.status(create_user(world, "alice@dev", Person{"zoe"})));
  world.sql.run(
      "INSERT INTO public.device (organization, user_, device_id, device_certificate, created_on,"
      " redacted_device_certificate) VALUES (" +
      world.key() + ", " + world.user_key("alice") + ", 'alice@new', '', now(), '')");
  EXPECT_EQ(kind.new_id + " by alice@dev"s, rows());
  EXPECT_EQ("not_found", world.sql.status(claim_of(kind.new_id)));
  EXPECT_EQ("not_found", world.sql.status(creator_of(kind.new_id)));
  EXPECT_EQ("already_exists", world.sql.status(invite_by("alice")));
}

TEST_P(FunctionsApiv1Invitation, OfExpiredAndUnknownOrganizations) {
  world.sql.status(invite_by("alice"));
  world.sql.run("UPDATE public.organization SET expiration_date = now() WHERE _id = " +
                world.key());
  EXPECT_EQ("organization_expired", world.sql.status(invite_by("alice")));
  EXPECT_EQ("organization_expired", cancel_by("alice", kind.new_id));
  EXPECT_EQ("organization_expired", world.sql.status(claim_of(kind.new_id)));
  EXPECT_EQ("organization_expired", world.sql.status(creator_of(kind.new_id)));
  world.organization_id += "x";
  EXPECT_EQ("not_found", world.sql.status(claim_of(kind.new_id)));
  EXPECT_EQ("not_found", world.sql.status(creator_of(kind.new_id)));
  EXPECT_TRUE(world.sql.notifications().empty());
}

TEST_P(FunctionsApiv1Invitation, BelongsToItsOrganization) {
  World elsewhere;
  world.sql.status(invite_by("alice"));
  world.organization_id.swap(elsewhere.organization_id);
  EXPECT_EQ("not_found", world.sql.status(claim_of(kind.new_id)));
  EXPECT_EQ("not_found", world.sql.status(creator_of(kind.new_id)));
}

TEST_P(FunctionsApiv1Invitation, TheLastKeptClaimOfAnIdIsReadBack) {
  world.sql.status(invite_by("alice"));
  const std::string large(300'000, 'x');
  EXPECT_EQ("", kept(kind.new_id));
  EXPECT_EQ("ok", world.sql.status(claim_of(kind.new_id, large)));
  EXPECT_EQ(large, kept(kind.new_id));
  EXPECT_EQ("ok", world.sql.status(claim_of(kind.new_id)));  // whole in its event
  EXPECT_EQ(large, kept(kind.new_id));
  EXPECT_EQ("ok", world.sql.status(claim_of(kind.new_id, "")));
  EXPECT_EQ("", kept(kind.new_id));
}

TEST_P(FunctionsApiv1Invitation, OldClaimsAreForgotten) {
  world.sql.status(invite_by("alice"));
  world.sql.status(claim_of(kind.new_id, "old"));
  world.sql.run(
      "UPDATE parsec_ext.invitation_claim SET created_on = now() - interval '61 minutes'"
      " WHERE organization_id = '" +
      world.organization_id + "'");
  World elsewhere;
  world.organization_id.swap(elsewhere.organization_id);
  world.sql.status(invite_by("alice"));
  world.sql.status(claim_of(kind.new_id, "new"));
  EXPECT_EQ("new", kept(kind.new_id));
  world.organization_id.swap(elsewhere.organization_id);
  EXPECT_EQ("", kept(kind.new_id));
}

TEST_P(FunctionsApiv1Invitation, OfTwoAtOnceTheLastOneInvited) {
  world.sql.run("UPDATE public.user_ SET profile = 'ADMIN' WHERE _id = " + world.user_key("bob"));
  Sql other;
  world.sql.run("BEGIN");
  EXPECT_EQ("ok", world.sql.status(invite_by("alice")));
  other.send(invite_by("bob"));
  EXPECT_TRUE(other.is_blocked());
  world.sql.run("COMMIT");
  EXPECT_EQ("ok", other.received_status());
  EXPECT_EQ(kind.new_id + " by bob@dev"s, rows());
}

TEST_P(FunctionsApiv1Invitation, CostsTheSameAmongMany) {
  const auto costs = [&] {
    return std::vector{rows_read(world.sql, invite_by("alice")),
                       rows_read(world.sql, creator_of(kind.new_id)),
                       rows_read(world.sql, claim_of(kind.new_id, "claim"))};
  };
  world.sql.status(invite_by("alice"));
  const auto few = costs();
  world.sql.run("INSERT INTO public."s + kind.table + " (organization, " + kind.column +
                ", creator, created_on) SELECT " + world.key() + ", 'many' || n, " +
                world.device_key("alice") + ", now() FROM generate_series(1, 2000) AS n");
  world.sql.run("INSERT INTO parsec_ext.invitation_claim SELECT '" + world.organization_id +
                "', 'many' || n, '', now() FROM generate_series(1, 2000) AS n");
  const auto many = costs();
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_LE(few[i], 100) << i;
    EXPECT_LE(many[i], few[i] + 6) << i;
  }
}

// --- Who invited ---------------------------------------------------------------------------------

/// Row 0's two certificates, then each of the trustchain with its list.
std::vector<std::string> certificates(const db::Rows& rows) {
  using Columns = InvitationCreatorColumns;
  std::vector<std::string> all{std::string{as_text(rows.bytes(0, Columns::user_certificate))},
                               std::string{as_text(rows.bytes(0, Columns::device_certificate))}};
  for (int row = 1; row < rows.count(); ++row) {
    all.push_back(std::string{rows.text(row, Columns::list)} + ": " +
                  std::string{as_text(rows.bytes(row, Columns::certificate))});
  }
  std::sort(all.begin() + 2, all.end());
  return all;
}

TEST_P(FunctionsApiv1Invitation, TheCreatorComesWithItsTrustchain) {
  EXPECT_EQ("ok", world.sql.status(create_user(world, "alice@dev", Person{"adam", "ADMIN"})));
  const Author adam{world.organization_id, "adam@dev"};
  EXPECT_EQ("ok", world.sql.status(
                      [&](db::Request& call) { invite(call, adam, kind.invited, kind.new_id); }));
  const auto reply = world.sql.call(creator_of(kind.new_id));
  EXPECT_EQ("ok", reply->rows().status());
  EXPECT_EQ((std::vector{"user adam"s, "device adam@dev"s, "devices: c"s, "users: c"s}),
            certificates(reply->rows()));
  EXPECT_EQ("ok", world.sql.status(invite_by("alice")));
  EXPECT_EQ((std::vector{"c"s, "c"s}),
            certificates(world.sql.call(creator_of(kind.new_id))->rows()));
}

// --- What user.created had no room for -----------------------------------------------------------

TEST(FunctionsUserCreated, CertificatesAreReadBack) {
  World world;
  const auto created = [&](std::string_view device_id) {
    const auto reply = world.sql.call(
        [&](db::Request& call) { user_created(call, world.organization_id, device_id); });
    const auto rows = reply->rows();
    if (rows.status() != "ok") return std::string{rows.status()};
    return std::string{as_text(rows.bytes(0, UserCreatedColumns::user_certificate))} + "|" +
           std::string{as_text(rows.bytes(0, UserCreatedColumns::device_certificate))};
  };
  EXPECT_EQ("not_found", created("zoe@dev"));
  EXPECT_EQ("ok", world.sql.status(create_user(world, "alice@dev", Person{"zoe"})));
  EXPECT_EQ("user zoe|device zoe@dev", created("zoe@dev"));
  world.organization_id += "x";
  EXPECT_EQ("not_found", created("zoe@dev"));
}

}  // namespace
}  // namespace parsec::testing
