// The fixture and the vocabulary of the integration tests.
//
//   TEST_F(Vlobs, UnknownVlob) {                       // protocol/4-commands.md §4.6 (a)
//     Session alice = this->alice();
//     EXPECT_THAT(alice.call("vlob_read", …), Refused("not_found", "Vlob `…` doesn't exist"));
//   }
//
// Where the contract gives a text literally a test compares it; elsewhere only the status. Await
// what should happen (every wait is bounded); wait a moment only to see that something does not.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/deployment.h"
#include "tests/support/database_probe.h"
#include "tests/support/organization.h"

namespace parsec::testing {

using namespace std::chrono_literals;

// --- What replies look like ----------------------------------------------------------------------

inline constexpr const char* missing = "Missing data for required field.";
inline constexpr const char* null_given = "Field may not be null.";
inline const Document invalid_format =
    Map{{"status", "invalid_msg_format"}, {"reason", "Invalid message format"}};
inline const Document unknown_command =
    Map{{"status", "unknown_command"}, {"reason", "Unknown command"}};

std::string no_realm(Uuid realm_id);
std::string no_vlob(Uuid vlob_id);
std::string not_under_maintenance(Uuid realm_id);

using ReplyMatcher = ::testing::Matcher<const Document&>;

/// `ok` with exactly these fields.
ReplyMatcher Ok(const Map& fields = {});
/// That status, whatever else.
ReplyMatcher Status(std::string_view status);
/// An error with that status and that very reason.
ReplyMatcher Refused(std::string_view status, std::string_view reason);
/// `bad_message` with exactly these errors; a field's text stands for a list of it alone.
ReplyMatcher Invalid(const Map& errors);
/// `invalid_certification` whose reason has the form `Invalid certification data (…).`
ReplyMatcher InvalidCertification();
ReplyMatcher WrongAuthor(std::string_view expected, std::string_view got);

// --- Events --------------------------------------------------------------------------------------

Map pinged(std::string_view text);
Map message_received(std::int64_t index);
Map roles_updated(Uuid realm_id, const Document& role);
Map vlobs_updated(Uuid realm_id, std::int64_t checkpoint, Uuid vlob_id, std::int64_t version);
Map maintenance_event(std::string_view what, Uuid realm_id, std::int64_t revision);
Map invitation_event(Uuid token, std::string_view status);

/// The queue of events is empty.
void expect_no_event(Session& session, Where where = Where::current());
/// These events come, in whatever order, and nothing else meanwhile.
void expect_events(Session& session, std::vector<Map> events, Where where = Where::current());

// --- Tables --------------------------------------------------------------------------------------

/// Runs the body for every row; a row that throws fails by its name, and the others still run.
template <typename Rows, typename Body>
void for_each_row(const Rows& rows, Body body) {
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string{"row: "} + row.name);
    try {
      body(row);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

// --- The fixture ---------------------------------------------------------------------------------

using AnswerMaker = std::function<Document(const Document& challenge)>;

struct Handshake {
  Connection connection;
  Document result;
};

class IntegrationTest : public ::testing::Test {
 protected:
  static const Address& here() { return Deployment::get().first(); }
  static const Address& there() { return Deployment::get().second(); }
  static constexpr const char* token = Deployment::administration_token;

  static std::shared_ptr<Organization> unknown_organization(std::string id = {});
  /// Bootstrapped, with alice@dev1.
  static std::shared_ptr<Organization> organization(const Map& create_fields = {});
  static Session alice();
  struct Pair {
    Session alice;
    Session bob;
  };
  static Pair pair(std::string_view profile = "STANDARD", std::string_view name = "bob");
  struct RealmPair {
    Session alice;  // OWNER
    Session bob;
    Uuid realm_id;
  };
  static RealmPair realm_pair(const Document& role, std::string_view profile = "STANDARD");
  /// A further connection of that session's device.
  static Session again(const Session& session, const std::optional<Address>& address = {},
                       int version = 2);
  static Connection administration(const std::optional<Address>& address = {});
  static void expire(const Organization& organization);

  static Handshake handshake(const AnswerMaker& make, const Address& address = here(),
                             Where where = Where::current());
  /// The handshake ends with that result and help, and then the server ends the connection.
  static void expect_refused_handshake(const AnswerMaker& make, std::string_view result,
                                       const Document& help, const Address& address = here(),
                                       Where where = Where::current());

  /// That device's answer to any challenge.
  static AnswerMaker answer_of(const Device& device, int version = 2, const Map& changes = {});

  /// An invitation as another server of the deployment stores it (db/storage.md §1): its token.
  static Uuid store_invitation(const Session& greeter, const char* type,
                               const Document& claimer_email = nullptr);

  static DatabaseProbe database() { return DatabaseProbe{Deployment::get().database_url()}; }

  /// Asks again until it is so; for what can be seen only by asking.
  static bool eventually(const std::function<bool()>& probe, Duration timeout = 5s);
};

/// Roles from the highest to none.
extern const std::vector<Document> every_role;
inline constexpr auto ballpark = std::chrono::minutes{30};
inline constexpr auto margin = std::chrono::seconds{20};

/// What a role, or its absence, is called in messages of a table.
std::string role_name(const Document& role);

}  // namespace parsec::testing
