#include "protocol/events/expiration_check.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "db/functions/organization.h"
#include "tests/support/scripted_database.h"

namespace parsec::testing {
namespace {

using namespace protocol;

class ExpirationCheckTest : public ::testing::Test {
 protected:
  void start(std::string organization_id) {
    check.start(EventPointer{new SharedEvent({std::move(organization_id), OrganizationExpired{}})});
  }
  void take_replies() {
    while (auto* reply = database.next_reply()) ASSERT_TRUE(check.take_reply(reply));
  }
  void answer(bool is_expired) {
    database.answer({{text_cell("ok"), bool_cell(is_expired)}});
    take_replies();
  }

  ScriptedDatabase database;
  std::vector<std::string> confirmed;
  ExpirationCheck check{database, [this](const EventPointer& event) {
                          confirmed.push_back(event->event().organization_id);
                        }};
};

TEST_F(ExpirationCheckTest, ConfirmsWhatTheDatabaseSays) {
  start("Expired");
  start("Renewed");
  answer(true);
  answer(false);
  EXPECT_EQ(confirmed, std::vector<std::string>{"Expired"});
  EXPECT_EQ(database.acquired, 0);
}

TEST_F(ExpirationCheckTest, EndsConnectionsWhenTheDatabaseDoesNotAnswer) {
  for (const auto outcome : {db::Outcome::unavailable, db::Outcome::failed}) {
    start("Org");
    database.fail(outcome);
    take_replies();
  }
  EXPECT_EQ(confirmed.size(), 2U);
  EXPECT_EQ(database.acquired, 0);
}

TEST_F(ExpirationCheckTest, WaitsForAFullRing) {
  database.full = true;
  start("Org");
  check.retry();
  EXPECT_TRUE(database.submitted.empty());
  database.full = false;
  check.retry();
  answer(true);
  EXPECT_EQ(confirmed.size(), 1U);
}

TEST_F(ExpirationCheckTest, LeavesTheRepliesOfOthersAlone) {
  auto* request = database.acquire();
  request->function = &db::functions::organization_status_function;
  EXPECT_FALSE(check.take_reply(request));
  database.release(request);
}

}  // namespace
}  // namespace parsec::testing
