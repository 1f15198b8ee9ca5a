// What sessions count, driven through whole connections.
#include "protocol/session/counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/support/log_capture.h"
#include "tests/support/service_fixture.h"

namespace parsec::protocol {
namespace {

using testing::bytes_cell;
using testing::text_cell;

class CountsTest : public ::testing::Test, protected testing::ServiceFixture {
 protected:
  std::uint64_t there(ConnectionUse use) const {
    return counts.there[static_cast<std::size_t>(use)].get();
  }
  std::uint64_t closed(ConnectionUse use, EndReason reason) const {
    return counts.closed[static_cast<std::size_t>(use)][static_cast<std::size_t>(reason)].get();
  }
  std::uint64_t requests(std::string_view command, std::string_view status) const {
    std::uint64_t sum = 0;
    counts.for_each_command([&](std::string_view name, const CommandCounts& one) {
      if (name == command) sum += one.statuses[index_of_status(status)].get();
    });
    return sum;
  }
  std::uint64_t timed(std::string_view command) const {
    std::uint64_t sum = 0;
    counts.for_each_command([&](std::string_view name, const CommandCounts& one) {
      if (name == command) sum += one.duration.sums().count();
    });
    return sum;
  }
  std::uint64_t http(Route route, int code) const {
    const auto place = std::ranges::find(counted_codes, code) - counted_codes.begin();
    return counts.http_requests[static_cast<std::size_t>(route)][static_cast<std::size_t>(place)]
        .get();
  }
};

TEST_F(CountsTest, AConnectionIsOfOneKindAtATime) {
  const auto id = open_websocket();
  EXPECT_EQ(there(ConnectionUse::http), 0u);
  EXPECT_EQ(there(ConnectionUse::handshake), 1u);
  close(id);
  EXPECT_EQ(there(ConnectionUse::handshake), 0u);
  EXPECT_EQ(closed(ConnectionUse::handshake, EndReason::client), 1u);

  const auto alice = open_device("Org", "alice@dev1");
  EXPECT_EQ(there(ConnectionUse::authenticated), 1u);
  EXPECT_EQ(there(ConnectionUse::handshake), 0u);
  event({"Org", UserRevoked{.user_id = "alice"}});
  close(alice);
  EXPECT_EQ(there(ConnectionUse::authenticated), 0u);
  EXPECT_EQ(closed(ConnectionUse::authenticated, EndReason::revoked), 1u);
  const auto& opened = counts.opened[static_cast<std::size_t>(ConnectionUse::authenticated)];
  EXPECT_EQ(opened.get(), 1u);
}

TEST_F(CountsTest, HandshakesByVersionAndResult) {
  open_device("Org", "alice@dev1");
  const auto revoked = start_device("Org", "bob@dev1", true);
  answer_handshake("bob@dev1", false, true);
  close(revoked);
  const auto result = [](std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(counted_results, name) -
                                    counted_results.begin());
  };
  EXPECT_EQ(counts.handshakes[1][result("ok")].get(), 1u);
  EXPECT_EQ(counts.handshakes[0][result("revoked_device")].get(), 1u);
  EXPECT_EQ(closed(ConnectionUse::handshake, EndReason::refused), 1u);
}

TEST_F(CountsTest, RequestsByCommandAndStatus) {
  const auto id = open_administration();
  send_ping(id, "x");
  send_command(id, "no_such_command");
  send_command(id, "organization_status");
  EXPECT_EQ(requests("ping", "ok"), 1u);
  EXPECT_EQ(requests("other", "unknown_command"), 1u);
  EXPECT_EQ(requests("organization_status", "bad_message"), 1u);
  EXPECT_EQ(timed("ping"), 1u);
  EXPECT_EQ(counts.received_messages.get(), 4u) << "the handshake's answer, too";
  EXPECT_EQ(counts.sent_messages.get(), 5u) << "challenge and result, too";
}

TEST_F(CountsTest, WhoWaitsForEventsIsNotTimed) {
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "events_subscribe");
  answer({{text_cell("ok"), testing::null_cell(), testing::null_cell()}});
  pass_fence();
  EXPECT_EQ(counts.subscriptions.get(), 1u);
  send_command(id, "events_listen", 1,
               [](msgpack::Writer& writer) { writer.str("wait"), writer.boolean(true); });
  event({"Org", Pinged{.author = "bob@dev1", .ping = "hello"}});
  EXPECT_EQ(requests("events_listen", "ok"), 1u);
  EXPECT_EQ(timed("events_listen"), 0u);
  EXPECT_EQ(counts.delivered_events[0].get(), 1u);
  close(id);
  EXPECT_EQ(counts.subscriptions.get(), 0u);
}

TEST_F(CountsTest, TooManyWaitingEvents) {
  const auto id = open_device("Org", "alice@dev1");
  send_command(id, "events_subscribe");
  answer({{text_cell("ok"), testing::null_cell(), testing::null_cell()}});
  pass_fence();
  for (std::size_t i = 0; i <= settings.max_waiting_events; ++i) {
    event({"Org", Pinged{.author = "bob@dev1", .ping = "hello"}});
  }
  EXPECT_EQ(counts.event_overflows.get(), 1u);
  close(id);
  EXPECT_EQ(closed(ConnectionUse::authenticated, EndReason::overflow), 1u);
}

TEST_F(CountsTest, HttpByRouteAndCode) {
  const auto id = open();
  raw(id, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
  raw(id, "POST / HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(http(Route::front, 200), 1u);
  EXPECT_EQ(http(Route::front, 405), 1u);
  EXPECT_EQ(http(Route::other, 404), 2u) << "nobody here knows of health";
  open_websocket();
  EXPECT_EQ(http(Route::websocket, 101), 1u);
}

TEST(Counts, EveryCommandIsThereAndEveryStatusOnce) {
  const Counts counts;
  std::set<std::string_view> names;
  counts.for_each_command([&](std::string_view name, const auto&) { names.insert(name); });
  EXPECT_TRUE(names.contains("vlob_read"));
  EXPECT_TRUE(names.contains("invite_info"));
  EXPECT_TRUE(names.contains("organization_create"));
  EXPECT_TRUE(names.contains("other"));
  const std::set<std::string_view> statuses(counted_statuses.begin(), counted_statuses.end());
  EXPECT_EQ(statuses.size(), counted_statuses.size());
  EXPECT_EQ(counted_statuses[index_of_status("no such status")], "other");
}

TEST(Counts, StepsOfAnInvitationAreNotTimed) {
  const auto timed = [](ConnectionKind kind, std::string_view name) {
    return is_timed(*find_command(kind, name));
  };
  EXPECT_TRUE(timed(ConnectionKind::authenticated, "vlob_read"));
  EXPECT_TRUE(timed(ConnectionKind::authenticated, "invite_new"));
  EXPECT_TRUE(timed(ConnectionKind::invited, "invite_info"));
  EXPECT_FALSE(timed(ConnectionKind::authenticated, "events_listen"));
  EXPECT_FALSE(timed(ConnectionKind::authenticated, "invite_1_greeter_wait_peer"));
  EXPECT_FALSE(timed(ConnectionKind::invited, "invite_4_claimer_communicate"));
}

}  // namespace
}  // namespace parsec::protocol
