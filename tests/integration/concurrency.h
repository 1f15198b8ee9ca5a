// Many connections that do the same thing at once, on both servers in turn.
#pragma once

#include <string_view>
#include <vector>

#include "tests/integration/integration_test.h"

namespace parsec::testing {

class Concurrency : public IntegrationTest {
 protected:
  /// So many connections of a device, on both servers in turn.
  static std::vector<Session> several(const Session& session, int count) {
    std::vector<Session> all;
    for (int i = 0; i < count; ++i) all.push_back(again(session, i % 2 == 0 ? here() : there()));
    return all;
  }

  /// The same command on all connections at once; the replies in their order.
  template <typename Connections, typename MakeFields>
  static std::vector<Document> at_once(Connections& connections, std::string_view cmd,
                                       MakeFields make_fields) {
    for (std::size_t i = 0; i < connections.size(); ++i) connections[i].start(cmd, make_fields(i));
    std::vector<Document> replies;
    for (auto& connection : connections) replies.push_back(connection.reply());
    return replies;
  }

  /// One reply is ok, every other has that status; the number of the ok one.
  static std::size_t expect_one_ok(const std::vector<Document>& replies, const char* otherwise,
                                   Where where = Where::current()) {
    std::size_t winner = replies.size();
    for (std::size_t i = 0; i < replies.size(); ++i) {
      if (replies[i]["status"] == Document("ok")) {
        EXPECT_EQ(winner, replies.size()) << "a second ok, at line " << where.line();
        winner = i;
      } else {
        EXPECT_THAT(replies[i], Status(otherwise)) << "at line " << where.line();
      }
    }
    if (winner == replies.size()) throw ClientError("none was ok: " + to_text(replies.front()));
    return winner;
  }
  static void expect_all_ok(const std::vector<Document>& replies) {
    for (const Document& reply : replies) EXPECT_THAT(reply, Status("ok"));
  }

  static Document poll(Session& session, Uuid realm_id, std::int64_t since = 0) {
    return session.require("vlob_poll_changes",
                           {{"realm_id", realm_id}, {"last_checkpoint", since}});
  }
  static Map creation(Uuid realm_id, Uuid vlob_id, const Octets& blob = {}) {
    return {{"realm_id", realm_id},
            {"encryption_revision", 1},
            {"vlob_id", vlob_id},
            {"timestamp", now()},
            {"blob", blob}};
  }
  static Octets by(std::size_t number) { return Octets{"by " + std::to_string(number)}; }
};

}  // namespace parsec::testing
