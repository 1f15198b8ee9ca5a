// protocol/7-apiv1.md §7.2: organization_bootstrap and its numbered checks.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

constexpr const char* user_differs = "Redacted User certificate differs from User certificate.";
constexpr const char* device_differs =
    "Redacted Device certificate differs from Device certificate.";
constexpr const char* holds_handle =
    "Redacted User certificate must not contain a human_handle field.";
constexpr const char* holds_label =
    "Redacted Device certificate must not contain a device_label field.";

class Bootstrap : public IntegrationTest {
 protected:
  void SetUp() override { start_over(); }

  /// Another organization, created and not bootstrapped.
  void start_over() {
    made_ = unknown_organization();
    bootstrap_token_ = made_->create_here();
    first_ = made_->first_device();
    stranger_.emplace(made_->connect_anonymous());
  }

  Map fields(const CertificateChanges& changes = {}, std::optional<DateTime> timestamp = {}) const {
    return made_->bootstrap_fields(first_, bootstrap_token_, timestamp, changes);
  }
  Document send(const Map& fields) { return stranger_->call("organization_bootstrap", fields); }
  /// Whatever was refused before left nothing behind.
  void expect_still_possible() {
    EXPECT_THAT(administration().call("organization_stats", {{"organization_id", made_->id()}}),
                Ok({{"data_size", 0}, {"metadata_size", 0}, {"users", 0}}));
    EXPECT_THAT(send(fields()), Ok());
  }

  std::shared_ptr<Organization> made_;
  std::string bootstrap_token_;
  Device first_;
  std::optional<Connection> stranger_;
};

TEST_F(Bootstrap, StoresTheFirstUserAndDevice) {
  const Map sent = fields();
  EXPECT_THAT(send(sent), Ok());
  Session alice = made_->connect(first_);
  const Map no_chain{{"devices", list()}, {"users", list()}, {"revoked_users", list()}};
  EXPECT_THAT(alice.call("user_get", {{"user_id", "alice"}}),
              Ok({{"user_certificate", *sent.find("user_certificate")},
                  {"revoked_user_certificate", nullptr},
                  {"device_certificates", list(*sent.find("device_certificate"))},
                  {"trustchain", no_chain}}));
  Session outsider = made_->connect(alice.add_user("olga", "OUTSIDER"));
  EXPECT_THAT(outsider.call("user_get", {{"user_id", "alice"}}),
              Ok({{"user_certificate", *sent.find("redacted_user_certificate")},
                  {"revoked_user_certificate", nullptr},
                  {"device_certificates", list(*sent.find("redacted_device_certificate"))},
                  {"trustchain", no_chain}}));
  // The connection is what it was: anonymous.
  EXPECT_EQ(stranger_->call("user_get", {{"user_id", "alice"}}), unknown_command);
  EXPECT_THAT(stranger_->call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
}

TEST_F(Bootstrap, PlainCertificatesServeAsRedacted) {
  struct Row {
    const char* name;
    Document human_handle;
    Document label;
  };
  const Row rows[]{{"with handle and label", list("a@b.c", "A"), "PC"},
                   {"without", nullptr, nullptr}};
  for_each_row(rows, [&](const Row& row) {
    start_over();
    first_.human_handle = row.human_handle;
    first_.label = row.label;
    const Map sent =
        fields().without("redacted_user_certificate").without("redacted_device_certificate");
    EXPECT_THAT(send(sent), Ok());
    Session alice = made_->connect(first_);
    Session outsider = made_->connect(alice.add_user("olga", "OUTSIDER"));
    const Document reply = outsider.call("user_get", {{"user_id", "alice"}});
    EXPECT_EQ(reply["user_certificate"], *sent.find("user_certificate"));
    EXPECT_EQ(reply["device_certificates"], list(*sent.find("device_certificate")));
  });
}

TEST_F(Bootstrap, FormsOfTheCertificates) {
  struct Row {
    const char* name;
    CertificateChanges changes;
  };
  const Map old{{"profile", omitted}, {"is_admin", true}};
  const Map odd{{"is_admin", false}};
  const std::vector<Row> rows{
      {"is_admin without profile", {{"user_certificate", old}, {"redacted_user_certificate", old}}},
      {"profile without is_admin", {{"user_certificate", odd}, {"redacted_user_certificate", odd}}},
      {"redacted fields absent",
       {{"redacted_user_certificate", {{"human_handle", omitted}}},
        {"redacted_device_certificate", {{"device_label", omitted}}}}},
  };
  for_each_row(rows, [&](const Row& row) {
    start_over();
    EXPECT_THAT(send(fields(row.changes)), Ok());
    made_->connect(first_).add_user("bob");  // which an ADMIN may
  });
}

TEST_F(Bootstrap, Check1CertificatesThatDoNotVerify) {
  const auto mutilated = [](const Octets& certificate, int how) -> Octets {
    const std::string& bytes = certificate.bytes;
    switch (how) {
      case 0:
        return {};
      case 1:
        return Octets{bytes.substr(64)};
      case 2:
        return Octets{std::string(64, '\0') + bytes.substr(64)};
      case 3:
        return Octets{bytes.substr(0, bytes.size() - 3)};
      default:
        return Octets{bytes + '\0'};
    }
  };
  for (const std::string_view name : certificate_names) {
    SCOPED_TRACE(name);
    for (int how = 0; how < 5; ++how) {
      Map sent = fields();
      sent.set(name, mutilated(sent.find(name)->octets(), how));
      EXPECT_THAT(send(sent), InvalidCertification()) << how;
    }
    for (const Map& change : {Map{{"timestamp", omitted}}, Map{{"author", omitted}},
                              Map{{"type", "revoked_user_certificate"}}}) {
      EXPECT_THAT(send(fields({{std::string{name}, change}})), InvalidCertification());
    }
    EXPECT_THAT(send(fields(CertificateChanges{}.signed_by(SigningKey{}, name))),
                InvalidCertification());
    EXPECT_THAT(send(fields({{std::string{name}, {{"author", "zoe@dev1"}}}})),
                WrongAuthor("<root key>", "zoe@dev1"));
  }
  EXPECT_THAT(send(fields().with({{"root_verify_key", SigningKey{}.verify_key()}})),
              InvalidCertification());
  expect_still_possible();
}

/// The same change for the plain certificate and the redacted one.
CertificateChanges both(std::string_view kind, const Map& change) {
  return {{std::string{kind} + "_certificate", change},
          {"redacted_" + std::string{kind} + "_certificate", change}};
}

TEST_F(Bootstrap, Checks2To6) {
  const DateTime at = now();
  const Map later{{"timestamp", at + 1us}};
  struct Row {
    const char* name;
    CertificateChanges changes;
    const char* status;
    const char* reason;
    std::optional<DateTime> timestamp = {};
  };
  const std::vector<Row> rows{
      {"2 STANDARD", both("user", {{"profile", "STANDARD"}, {"is_admin", false}}), "invalid_data",
       "Bootstrapping user must have admin profile."},
      {"2 OUTSIDER", both("user", {{"profile", "OUTSIDER"}, {"is_admin", false}}), "invalid_data",
       "Bootstrapping user must have admin profile."},
      {"2 no profile", both("user", {{"profile", omitted}, {"is_admin", false}}), "invalid_data",
       "Bootstrapping user must have admin profile."},
      {"3", both("device", later), "invalid_data",
       "Device and user certificates must have the same timestamp.", at},
      {"4", both("device", {{"device_id", "bob@dev1"}}), "invalid_data",
       "Device and user must have the same user ID."},
      {"5 past",
       {},
       "invalid_certification",
       "Invalid timestamp in certification.",
       at - ballpark - margin},
      {"5 future",
       {},
       "invalid_certification",
       "Invalid timestamp in certification.",
       at + ballpark + margin},
      {"6 user ID",
       {{"redacted_user_certificate", {{"user_id", "bob"}}}},
       "invalid_data",
       user_differs},
      {"6 public key",
       {{"redacted_user_certificate", {{"public_key", Octets{32, 'k'}}}}},
       "invalid_data",
       user_differs},
      {"6 profile",
       {{"redacted_user_certificate", {{"profile", "STANDARD"}, {"is_admin", false}}}},
       "invalid_data",
       user_differs},
      {"6 timestamp of the user",
       {{"redacted_user_certificate", later}},
       "invalid_data",
       user_differs,
       at},
      {"6 human handle",
       {{"redacted_user_certificate", {{"human_handle", list("a@b.c", "A")}}}},
       "invalid_data",
       holds_handle},
      {"6 device ID",
       {{"redacted_device_certificate", {{"device_id", "alice@dev2"}}}},
       "invalid_data",
       device_differs},
      {"6 verify key",
       {{"redacted_device_certificate", {{"verify_key", Octets{32, 'k'}}}}},
       "invalid_data",
       device_differs},
      {"6 timestamp of the device",
       {{"redacted_device_certificate", later}},
       "invalid_data",
       device_differs,
       at},
      {"6 label",
       {{"redacted_device_certificate", {{"device_label", "PC"}}}},
       "invalid_data",
       holds_label},

      // Two neighbouring checks fail: the first decides.
      {"2 before 3",
       {{"user_certificate", {{"profile", "STANDARD"}, {"is_admin", false}}},
        {"device_certificate", later}},
       "invalid_data",
       "Bootstrapping user must have admin profile.",
       at},
      {"3 before 4", both("device", later.with({{"device_id", "bob@dev1"}})), "invalid_data",
       "Device and user certificates must have the same timestamp.", at},
      {"4 before 5", both("device", {{"device_id", "bob@dev1"}}), "invalid_data",
       "Device and user must have the same user ID.", at - 2h},
      {"5 before 6",
       {{"redacted_user_certificate", {{"user_id", "bob"}}}},
       "invalid_certification",
       "Invalid timestamp in certification.",
       at - 2h},
  };
  for_each_row(rows, [&](const Row& row) {
    EXPECT_THAT(send(fields(row.changes, row.timestamp)), Refused(row.status, row.reason));
  });
  EXPECT_THAT(send(fields(CertificateChanges{
                  {"user_certificate", {{"profile", "STANDARD"}, {"is_admin", false}}}}
                              .signed_by(SigningKey{}, "device_certificate"))),
              InvalidCertification());
  for (const char* name : {"redacted_user_certificate", "redacted_device_certificate"}) {
    EXPECT_THAT(
        send(fields().without(name)),
        Refused("invalid_data", "Redacted user&device certificate muste be provided together"));
  }
  expect_still_possible();
}

TEST_F(Bootstrap, InTheBallpark) {
  EXPECT_THAT(send(fields({}, now() - ballpark + margin)), Ok());
  start_over();
  EXPECT_THAT(send(fields({}, now() + ballpark - margin)), Ok());
}

TEST_F(Bootstrap, Check7Tokens) {
  const auto other = unknown_organization();
  const std::string elsewhere = other->create_here();
  for (const std::string& wrong : {std::string{}, random_hex(32), bootstrap_token_.substr(1),
                                   bootstrap_token_ + "0", elsewhere, std::string(100'000, 'a')}) {
    EXPECT_THAT(send(fields().with({{"bootstrap_token", wrong}})), Status("not_found")) << wrong;
  }
  // The certificates are looked at before the token, and before "already bootstrapped".
  const Map bad = fields({{"redacted_user_certificate", {{"user_id", "bob"}}}});
  EXPECT_THAT(send(bad.with({{"bootstrap_token", "wrong"}})),
              Refused("invalid_data", user_differs));
  EXPECT_THAT(send(fields()), Ok());
  EXPECT_THAT(send(bad), Refused("invalid_data", user_differs));
  for (const std::string& any : {bootstrap_token_, std::string{}, std::string{"wrong"}}) {
    EXPECT_THAT(send(fields().with({{"bootstrap_token", any}})), Status("already_bootstrapped"));
  }
}

TEST_F(Bootstrap, InvalidFields) {
  const Map wrong{{"bootstrap_token", 1},
                  {"root_verify_key", "x"_bin},
                  {"user_certificate", "x"},
                  {"device_certificate", 1},
                  {"redacted_user_certificate", "x"},
                  {"redacted_device_certificate", 2}};
  EXPECT_THAT(send(wrong), Invalid({{"bootstrap_token", "Not a valid string."},
                                    {"root_verify_key", "Invalid verify key."},
                                    {"user_certificate", "Not bytes"},
                                    {"device_certificate", "Not bytes"},
                                    {"redacted_user_certificate", "Not bytes"},
                                    {"redacted_device_certificate", "Not bytes"}}));
  Map nulls, errors;
  for (const auto& [name, value] : wrong.entries()) {
    nulls.set(name, nullptr);
    errors.set(name, null_given);
  }
  EXPECT_THAT(send(nulls), Invalid(errors));
  expect_still_possible();
}

}  // namespace
}  // namespace parsec::testing
