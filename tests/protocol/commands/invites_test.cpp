// When an invitation is deleted (protocol/5-invite.md §5.1). The rest of it: tests/integration.
#include <gtest/gtest.h>

#include "db/functions/invite.h"
#include "tests/support/service_fixture.h"

namespace parsec::testing {
namespace {

using namespace protocol;

class InviteDelete : public ::testing::Test, public ServiceFixture {
 protected:
  void claimer(const char* status) {
    event({"Org", InviteStatusChanged{.greeter = "alice", .token = token, .status = status}});
  }
  void start(const char* reason) {
    send_command(alice, "invite_delete", 2, [&](msgpack::Writer& writer) {
      writer.str("token"), writer.uuid(token);
      writer.str("reason"), writer.str(reason);
    });
  }
  void pass_pause() {
    ASSERT_TRUE(transport[alice].deadline);
    transport[alice].deadline.reset();
    service.on_deadline(alice);
    turn();
  }
  void expect_deletion() {
    ASSERT_EQ(database.submitted.size(), 1u);
    EXPECT_EQ(database.submitted.front()->function, &db::functions::invite_delete_function);
    answer({{text_cell("ok")}});
    EXPECT_EQ(take_reply(alice), R"({status="ok"})");
  }

  const Uuid token{{std::byte{7}}};
  const engine::ConnectionId alice = open_device("Org", "alice@dev1");
};

TEST_F(InviteDelete, IsDoneAtOnceWhenNoClaimerIsThere) {
  start("FINISHED");
  expect_deletion();
}

TEST_F(InviteDelete, OfAFinishedOneWaitsUntilTheClaimerOfAnotherServerHasLeft) {
  claimer("READY");
  start("FINISHED");
  for (int i = 0; i < 3; ++i) pass_pause();
  EXPECT_TRUE(database.submitted.empty()) << "the claimer may not have its last answer yet";
  claimer("IDLE");
  pass_pause();
  expect_deletion();
}

TEST_F(InviteDelete, OfAFinishedOneWaitsForASecondAtMost) {
  claimer("READY");
  start("FINISHED");
  int pauses = 0;
  for (; database.submitted.empty() && pauses < 1'000; ++pauses) pass_pause();
  EXPECT_EQ(pauses, 99) << "of 10 ms";
  expect_deletion();
}

TEST_F(InviteDelete, OfAnAbandonedOneWaitsForNobody) {
  claimer("READY");
  for (const char* reason : {"CANCELLED", "ROTTEN"}) {
    start(reason);
    expect_deletion();
  }
}

}  // namespace
}  // namespace parsec::testing
