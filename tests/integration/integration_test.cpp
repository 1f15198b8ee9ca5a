#include "tests/integration/integration_test.h"

#include <algorithm>
#include <thread>

namespace parsec::testing {

using ::testing::MatchResultListener;

std::string no_realm(Uuid realm_id) { return "Realm `" + realm_id.text() + "` doesn't exist"; }
std::string no_vlob(Uuid vlob_id) { return "Vlob `" + vlob_id.text() + "` doesn't exist"; }
std::string not_under_maintenance(Uuid realm_id) {
  return "Realm `" + realm_id.text() + "` not under maintenance";
}

// --- Matchers ------------------------------------------------------------------------------------

namespace {

/// A reply that has (at least) these fields, or has exactly these.
class FieldsMatcher : public ::testing::MatcherInterface<const Document&> {
 public:
  FieldsMatcher(Map fields, bool exactly) : fields_(std::move(fields)), exactly_(exactly) {}

  bool MatchAndExplain(const Document& reply, MatchResultListener*) const override {
    if (!reply.is<Map>()) return false;
    if (exactly_) return reply == Document(fields_);
    return std::ranges::all_of(fields_.entries(), [&](const Map::Entry& wanted) {
      const Document* got = reply.map().find(wanted.key);
      return got != nullptr && *got == wanted.value;
    });
  }
  void DescribeTo(std::ostream* out) const override {
    *out << (exactly_ ? "is " : "has ") << Document(fields_);
  }

 private:
  Map fields_;
  bool exactly_;
};

ReplyMatcher fields(Map wanted, bool exactly) {
  return ReplyMatcher{new FieldsMatcher(std::move(wanted), exactly)};
}

MATCHER(HasCertificationReason, "has a reason `Invalid certification data (…).`") {
  const Document* reason = arg.map().find("reason");
  if (reason == nullptr || !reason->template is<std::string>()) return false;
  return reason->text().starts_with("Invalid certification data (") &&
         reason->text().ends_with(").");
}

}  // namespace

ReplyMatcher Ok(const Map& wanted) { return fields(Map{{"status", "ok"}}.with(wanted), true); }
ReplyMatcher Status(std::string_view status) { return fields({{"status", status}}, false); }
ReplyMatcher Refused(std::string_view status, std::string_view reason) {
  return fields({{"status", status}, {"reason", reason}}, false);
}

ReplyMatcher Invalid(const Map& errors) {
  Map wanted;
  for (const auto& [field, error] : errors.entries()) {
    wanted.set(field, error.is<std::string>() ? list(error) : error);
  }
  return fields({{"status", "bad_message"}, {"reason", "Invalid message."}, {"errors", wanted}},
                false);
}

ReplyMatcher InvalidCertification() {
  return ::testing::AllOf(Status("invalid_certification"), HasCertificationReason());
}

ReplyMatcher WrongAuthor(std::string_view expected, std::string_view got) {
  return Refused("invalid_certification", "Invalid certification data (Invalid author: expected `" +
                                              std::string{expected} + "`, got `" +
                                              std::string{got} + "`).");
}

// --- Events --------------------------------------------------------------------------------------

Map pinged(std::string_view text) { return {{"event", "pinged"}, {"ping", text}}; }
Map message_received(std::int64_t index) {
  return {{"event", "message.received"}, {"index", index}};
}
Map roles_updated(Uuid realm_id, const Document& role) {
  return {{"event", "realm.roles_updated"}, {"realm_id", realm_id}, {"role", role}};
}
Map vlobs_updated(Uuid realm_id, std::int64_t checkpoint, Uuid vlob_id, std::int64_t version) {
  return {{"event", "realm.vlobs_updated"},
          {"realm_id", realm_id},
          {"checkpoint", checkpoint},
          {"src_id", vlob_id},
          {"src_version", version}};
}
Map maintenance_event(std::string_view what, Uuid realm_id, std::int64_t revision) {
  return {{"event", "realm.maintenance_" + std::string{what}},
          {"realm_id", realm_id},
          {"encryption_revision", revision}};
}
Map invitation_event(Uuid token, std::string_view status) {
  return {{"event", "invite.status_changed"}, {"token", token}, {"invitation_status", status}};
}

void expect_no_event(Session& session, Where where) {
  EXPECT_EQ(session.call("events_listen", {{"wait", false}}, patience, where),
            Document(Map{{"status", "no_events"}}))
      << "at line " << where.line();
}

void expect_events(Session& session, std::vector<Map> events, Where where) {
  while (!events.empty()) {
    const Map heard = session.next_event(patience, where);
    const auto found = std::ranges::find(events, heard);
    if (found == events.end()) {
      FAIL() << "at line " << where.line() << " " << session.device().id << " heard " << heard
             << ", which is none of " << ::testing::PrintToString(events);
    }
    events.erase(found);
  }
}

// --- The fixture ---------------------------------------------------------------------------------

std::shared_ptr<Organization> IntegrationTest::unknown_organization(std::string id) {
  return Organization::unknown(here(), token, std::move(id));
}

std::shared_ptr<Organization> IntegrationTest::organization(const Map& create_fields) {
  return Organization::create(here(), token, create_fields);
}

Session IntegrationTest::alice() {
  const auto made = organization();
  return made->connect(made->alice());
}

IntegrationTest::Pair IntegrationTest::pair(std::string_view profile, std::string_view name) {
  Session alice = IntegrationTest::alice();
  Session bob = alice.organization().connect(alice.add_user(name, profile));
  return {std::move(alice), std::move(bob)};
}

IntegrationTest::RealmPair IntegrationTest::realm_pair(const Document& role,
                                                       std::string_view profile) {
  auto [alice, bob] = pair(profile);
  const Uuid realm_id = alice.create_realm();
  if (!role.is_nil()) alice.share(realm_id, "bob", role);
  return {std::move(alice), std::move(bob), realm_id};
}

Session IntegrationTest::again(const Session& session, const std::optional<Address>& address,
                               int version) {
  return session.organization().connect(session.device(), address, version);
}

Connection IntegrationTest::administration(const std::optional<Address>& address) {
  return connect(address.value_or(here()), administration_answer(token));
}

void IntegrationTest::expire(const Organization& organization) {
  administration().require("organization_update", {{"organization_id", organization.id()},
                                                   {"expiration_date", now() - 1s}});
}

Handshake IntegrationTest::handshake(const AnswerMaker& make, const Address& address, Where where) {
  Connection connection{address, {}, where};
  const Document challenge = connection.challenge(where);
  Document result = connection.answer(make(challenge), where);
  return {std::move(connection), std::move(result)};
}

void IntegrationTest::expect_refused_handshake(const AnswerMaker& make, std::string_view result,
                                               const Document& help, const Address& address,
                                               Where where) {
  SCOPED_TRACE("handshake at line " + std::to_string(where.line()));
  auto [connection, got] = handshake(make, address, where);
  EXPECT_EQ(got, Document(Map{{"handshake", "result"}, {"result", result}, {"help", help}}));
  connection.wait_end(patience, where);
}

AnswerMaker IntegrationTest::answer_of(const Device& device, int version, const Map& changes) {
  return [=](const Document& challenge) { return device.answer(challenge, version, changes); };
}

Uuid IntegrationTest::store_invitation(const Session& greeter, const char* type,
                                       const Document& claimer_email) {
  const Uuid invitation = new_uuid();
  database().execute(
      "INSERT INTO invitation (organization, token, type, greeter, claimer_email, created_on)"
      " SELECT o._id, $2, $3::text::invitation_type, u._id, $4, now()"
      " FROM organization AS o JOIN user_ AS u ON u.organization = o._id"
      " WHERE organization_id = $1 AND user_id = $5",
      {greeter.organization_id(), invitation, type, claimer_email, greeter.device().user_id()});
  return invitation;
}

bool IntegrationTest::eventually(const std::function<bool()>& probe, Duration timeout) {
  const Deadline deadline = within(timeout);
  while (!probe()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

const std::vector<Document> every_role{"OWNER", "MANAGER", "CONTRIBUTOR", "READER", nullptr};

std::string role_name(const Document& role) { return role.is_nil() ? "none" : role.text(); }

}  // namespace parsec::testing
