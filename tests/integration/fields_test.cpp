// protocol/1-transport.md §1.4: unknown commands, the types of fields and their messages, the order
// of profile check and validation.
#include <limits>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

class Fields : public IntegrationTest {
 protected:
  const ReplyMatcher pong = Ok({{"pong", "x"}});
};

TEST_F(Fields, UnknownCommands) {
  Session session = alice();
  struct Row {
    const char* name;
    Map request;
  };
  const std::vector<Row> rows{
      {"no cmd", {}},
      {"unknown", {{"cmd", "dummy"}}},
      {"empty", {{"cmd", ""}}},
      {"null", {{"cmd", nullptr}}},
      {"integer", {{"cmd", 1}}},
      {"boolean", {{"cmd", true}}},
      {"octets", {{"cmd", "ping"_bin}}},
      {"array", {{"cmd", list("ping")}}},
      {"map", {{"cmd", Map{{"ping", "x"}}}}},
      {"another case", {{"cmd", "Ping"}}},
      {"a newline behind", {{"cmd", "ping\n"}}},
      {"a very long name", {{"cmd", std::string(100'000, 'p')}}},
      {"an answer of the handshake", {{"handshake", "answer"}, {"type", "AUTHENTICATED"}}},
      {"of invited connections", {{"cmd", "invite_info"}}},
      {"of API v1", {{"cmd", "user_find"}}},
      {"of anonymous connections", {{"cmd", "organization_bootstrap"}}},
      {"of the administration", {{"cmd", "organization_create"}}},
  };
  for_each_row(rows, [&](const Row& row) {
    EXPECT_EQ(session.ask(row.request.with({{"ping", "x"}})), unknown_command);
  });
  EXPECT_THAT(session.call("ping", {{"ping", "x"}}), pong);
}

TEST_F(Fields, MessagesOfEachType) {
  Session session = alice();
  const Uuid id = new_uuid();
  const Map read{{"encryption_revision", 1}, {"vlob_id", id}};
  const Map block{{"block_id", id}, {"realm_id", id}, {"block", ""_bin}};
  const Map start{{"realm_id", id},
                  {"encryption_revision", 1},
                  {"timestamp", now()},
                  {"per_participant_message", Map{}}};
  const Map save{{"realm_id", id}, {"encryption_revision", 1}, {"batch", list()}};
  const Map roles{{"role_certificate", ""_bin}, {"recipient_message", nullptr}};
  struct Row {
    const char* name;
    const char* cmd;
    Map fields;
    Map errors;
  };
  const std::vector<Row> rows{
      {"string missing", "ping", {}, {{"ping", missing}}},
      {"string null", "ping", {{"ping", nullptr}}, {{"ping", null_given}}},
      {"string integer", "ping", {{"ping", 1}}, {{"ping", "Not a valid string."}}},
      {"string boolean", "ping", {{"ping", true}}, {{"ping", "Not a valid string."}}},
      {"string octets", "ping", {{"ping", "x"_bin}}, {{"ping", "Not a valid string."}}},
      {"string array", "ping", {{"ping", list("x")}}, {{"ping", "Not a valid string."}}},

      {"integer missing", "message_get", {}, {{"offset", missing}}},
      {"integer null", "message_get", {{"offset", nullptr}}, {{"offset", null_given}}},
      {"integer word", "message_get", {{"offset", "x"}}, {{"offset", "Not a valid integer."}}},
      {"integer empty", "message_get", {{"offset", ""}}, {{"offset", "Not a valid integer."}}},
      {"integer fraction",
       "message_get",
       {{"offset", "1.5"}},
       {{"offset", "Not a valid integer."}}},
      {"integer array", "message_get", {{"offset", list(1)}}, {{"offset", "Not a valid integer."}}},
      {"integer map", "message_get", {{"offset", Map{}}}, {{"offset", "Not a valid integer."}}},
      {"integer datetime",
       "message_get",
       {{"offset", now()}},
       {{"offset", "Not a valid integer."}}},
      {"integer octets",
       "message_get",
       {{"offset", "1"_bin}},
       {{"offset", "Not a valid integer."}}},
      {"integer not a number",
       "message_get",
       {{"offset", std::numeric_limits<double>::quiet_NaN()}},
       {{"offset", anything}}},
      {"integer too small", "message_get", {{"offset", -1}}, {{"offset", anything}}},

      {"boolean null", "events_listen", {{"wait", nullptr}}, {{"wait", null_given}}},
      {"boolean word", "events_listen", {{"wait", "yes"}}, {{"wait", "Not a valid boolean."}}},
      {"boolean odd case", "events_listen", {{"wait", "tRUE"}}, {{"wait", "Not a valid boolean."}}},
      {"boolean 2", "events_listen", {{"wait", 2}}, {{"wait", "Not a valid boolean."}}},
      {"boolean -1", "events_listen", {{"wait", -1}}, {{"wait", "Not a valid boolean."}}},
      {"boolean octets",
       "events_listen",
       {{"wait", "true"_bin}},
       {{"wait", "Not a valid boolean."}}},
      {"boolean array", "events_listen", {{"wait", list()}}, {{"wait", "Not a valid boolean."}}},

      {"bytes missing", "block_create", block.without("block"), {{"block", missing}}},
      {"bytes null", "block_create", block.with({{"block", nullptr}}), {{"block", null_given}}},
      {"bytes text", "block_create", block.with({{"block", "x"}}), {{"block", "Not bytes"}}},
      {"bytes integer", "block_create", block.with({{"block", 1}}), {{"block", "Not bytes"}}},
      {"bytes array", "block_create", block.with({{"block", list(1)}}), {{"block", "Not bytes"}}},

      {"UUID missing", "realm_status", {}, {{"realm_id", missing}}},
      {"UUID null", "realm_status", {{"realm_id", nullptr}}, {{"realm_id", null_given}}},
      {"UUID octets",
       "realm_status",
       {{"realm_id", Octets{16, 'u'}}},
       {{"realm_id", "Not an UUID"}}},
      {"UUID text", "realm_status", {{"realm_id", id.text()}}, {{"realm_id", "Not an UUID"}}},
      {"UUID integer", "realm_status", {{"realm_id", 1}}, {{"realm_id", "Not an UUID"}}},

      {"datetime missing",
       "realm_start_reencryption_maintenance",
       start.without("timestamp"),
       {{"timestamp", missing}}},
      {"datetime null",
       "realm_start_reencryption_maintenance",
       start.with({{"timestamp", nullptr}}),
       {{"timestamp", null_given}}},
      {"datetime float",
       "vlob_read",
       read.with({{"timestamp", 1.5}}),
       {{"timestamp", "Not a datetime"}}},
      {"datetime text",
       "vlob_read",
       read.with({{"timestamp", "2020-01-01"}}),
       {{"timestamp", "Not a datetime"}}},

      {"list missing",
       "vlob_maintenance_save_reencryption_batch",
       save.without("batch"),
       {{"batch", missing}}},
      {"list null",
       "vlob_maintenance_save_reencryption_batch",
       save.with({{"batch", nullptr}}),
       {{"batch", null_given}}},
      {"list map",
       "vlob_maintenance_save_reencryption_batch",
       save.with({{"batch", Map{}}}),
       {{"batch", "Not a valid list."}}},
      {"list text",
       "vlob_maintenance_save_reencryption_batch",
       save.with({{"batch", "x"}}),
       {{"batch", "Not a valid list."}}},
      {"list of maps: keyed by index, then by field",
       "vlob_maintenance_save_reencryption_batch",
       save.with({{"batch", list(Map{{"vlob_id", id}, {"version", 1}, {"blob", ""_bin}},
                                 Map{{"vlob_id", 1}, {"version", 1}, {"blob", ""}},
                                 Map{{"vlob_id", id}, {"version", -1}, {"blob", ""_bin}}, Map{})}}),
       {{"batch", Map{{1, Map{{"vlob_id", list("Not an UUID")}, {"blob", list("Not bytes")}}},
                      {2, Map{{"version", anything}}},
                      {3, Map{{"vlob_id", list(missing)},
                              {"version", list(missing)},
                              {"blob", list(missing)}}}}}}},

      {"map missing",
       "realm_start_reencryption_maintenance",
       start.without("per_participant_message"),
       {{"per_participant_message", missing}}},
      {"map null",
       "realm_start_reencryption_maintenance",
       start.with({{"per_participant_message", nullptr}}),
       {{"per_participant_message", null_given}}},
      {"map array",
       "realm_start_reencryption_maintenance",
       start.with({{"per_participant_message", list()}}),
       {{"per_participant_message", "Not a valid mapping type."}}},
      {"map with an invalid user ID",
       "realm_start_reencryption_maintenance",
       start.with({{"per_participant_message", Map{{"a b", ""_bin}}}}),
       {{"per_participant_message", anything}}},
      {"map with a text value",
       "realm_start_reencryption_maintenance",
       start.with({{"per_participant_message", Map{{"alice", "x"}}}}),
       {{"per_participant_message", anything}}},
      {"map with a null value",
       "realm_start_reencryption_maintenance",
       start.with({{"per_participant_message", Map{{"alice", nullptr}}}}),
       {{"per_participant_message", anything}}},
      {"map with an integer key",
       "realm_start_reencryption_maintenance",
       start.with({{"per_participant_message", Map{{1, ""_bin}}}}),
       {{"per_participant_message", anything}}},

      {"user ID missing", "user_get", {}, {{"user_id", missing}}},
      {"user ID null", "user_get", {{"user_id", nullptr}}, {{"user_id", null_given}}},
      {"user ID integer", "user_get", {{"user_id", 1}}, {{"user_id", anything}}},
      {"user ID empty", "user_get", {{"user_id", ""}}, {{"user_id", "Invalid user name"}}},
      {"user ID with a space",
       "user_get",
       {{"user_id", "a b"}},
       {{"user_id", "Invalid user name"}}},
      {"user ID of a device", "user_get", {{"user_id", "a@b"}}, {{"user_id", "Invalid user name"}}},

      {"nullable, text",
       "realm_update_roles",
       roles.with({{"recipient_message", "x"}}),
       {{"recipient_message", "Not bytes"}}},
      {"nullable, but required",
       "realm_update_roles",
       roles.without("recipient_message"),
       {{"recipient_message", missing}}},

      {"all failing fields together",
       "vlob_create",
       {{"realm_id", 1}, {"vlob_id", nullptr}, {"timestamp", "x"}, {"blob", "y"}},
       {{"realm_id", "Not an UUID"},
        {"encryption_revision", missing},
        {"vlob_id", null_given},
        {"timestamp", "Not a datetime"},
        {"blob", "Not bytes"}}},
  };
  for_each_row(rows, [&](const Row& row) {
    EXPECT_THAT(session.call(row.cmd, row.fields), Invalid(row.errors));
  });
  EXPECT_THAT(session.call("ping", {{"ping", "x"}}), pong);
}

TEST_F(Fields, RequiredOnesOfEveryCommand) {
  struct Row {
    const char* name;
    std::vector<const char*> fields;
  };
  const std::vector<Row> authenticated{
      {"ping", {"ping"}},
      {"message_get", {"offset"}},
      {"user_get", {"user_id"}},
      {"user_create",
       {"user_certificate", "device_certificate", "redacted_user_certificate",
        "redacted_device_certificate"}},
      {"user_revoke", {"revoked_user_certificate"}},
      {"device_create", {"device_certificate", "redacted_device_certificate"}},
      {"realm_create", {"role_certificate"}},
      {"realm_status", {"realm_id"}},
      {"realm_stats", {"realm_id"}},
      {"realm_get_role_certificates", {"realm_id"}},
      {"realm_update_roles", {"role_certificate", "recipient_message"}},
      {"realm_start_reencryption_maintenance",
       {"realm_id", "encryption_revision", "timestamp", "per_participant_message"}},
      {"realm_finish_reencryption_maintenance", {"realm_id", "encryption_revision"}},
      {"vlob_create", {"realm_id", "encryption_revision", "vlob_id", "timestamp", "blob"}},
      {"vlob_read", {"encryption_revision", "vlob_id"}},
      {"vlob_update", {"encryption_revision", "vlob_id", "timestamp", "version", "blob"}},
      {"vlob_poll_changes", {"realm_id", "last_checkpoint"}},
      {"vlob_list_versions", {"vlob_id"}},
      {"vlob_maintenance_get_reencryption_batch", {"realm_id", "encryption_revision", "size"}},
      {"vlob_maintenance_save_reencryption_batch", {"realm_id", "encryption_revision", "batch"}},
      {"block_create", {"block_id", "realm_id", "block"}},
      {"block_read", {"block_id"}},
  };
  const std::vector<Row> v1{
      {"user_create", {"user_certificate", "device_certificate"}},
      {"device_create", {"device_certificate", "encrypted_answer"}},
  };
  const std::vector<Row> anonymous{
      {"organization_bootstrap",
       {"bootstrap_token", "root_verify_key", "user_certificate", "device_certificate"}},
  };
  const std::vector<Row> administrators{
      {"organization_create", {"organization_id"}},
      {"organization_status", {"organization_id"}},
      {"organization_stats", {"organization_id"}},
  };
  Session session = alice();
  Session old = again(session, {}, 1);
  Connection stranger = session.organization().connect_anonymous();
  Connection admin = administration();
  const std::pair<Connection*, const std::vector<Row>*> tables[]{
      {&session, &authenticated}, {&old, &v1}, {&stranger, &anonymous}, {&admin, &administrators}};
  for (const auto& [connection, rows] : tables) {
    for_each_row(*rows, [&](const Row& row) {
      Map nulls, absent_errors, null_errors;
      for (const char* field : row.fields) {
        absent_errors.set(field, missing);
        nulls.set(field, nullptr);
        null_errors.set(field, null_given);
      }
      EXPECT_THAT(connection->call(row.name), Invalid(absent_errors));
      if (std::string_view{row.name} == "realm_update_roles") return;  // one may be null
      EXPECT_THAT(connection->call(row.name, nulls), Invalid(null_errors));
    });
  }
}

TEST_F(Fields, IntegersInOtherForms) {
  Session session = alice();
  const Uuid realm_id = session.create_realm();
  const Uuid vlob_id = session.create_vlob(realm_id);
  for (int version = 2; version <= 3; ++version) session.update_vlob(vlob_id, version);
  struct Row {
    const char* name;
    Document value;
    int read;
  };
  const std::vector<Row> rows{{"float, truncated", 2.9, 2},
                              {"text", "2", 2},
                              {"text with a sign", "+2", 2},
                              {"true", true, 1},
                              {"float without a fraction", 3.0, 3}};
  for_each_row(rows, [&](const Row& row) {
    const Map fields{{"encryption_revision", "1"}, {"vlob_id", vlob_id}, {"version", row.value}};
    EXPECT_EQ(session.call("vlob_read", fields)["version"], Document(row.read));
  });
}

TEST_F(Fields, IntegersBeyondEveryRangeCostNoConnection) {
  Session session = alice();
  const Uuid realm_id = session.create_realm();
  const Uuid vlob_id = session.create_vlob(realm_id);
  const std::vector<Document> values{
      std::int64_t{1} << 31,
      (std::int64_t{1} << 31) - 1,
      -(std::int64_t{1} << 31) - 1,
      std::numeric_limits<std::int64_t>::max(),
      std::numeric_limits<std::int64_t>::min(),
      std::numeric_limits<std::uint64_t>::max(),
      1e30,
      -1e30,
      std::numeric_limits<double>::infinity(),
      std::string(30, '9'),
      "-" + std::string(30, '9'),
  };
  struct Row {
    const char* name;
    const char* field;
  };
  const Row rows[]{{"message_get", "offset"},
                   {"human_find", "page"},
                   {"human_find", "per_page"},
                   {"vlob_read", "encryption_revision"},
                   {"vlob_read", "version"},
                   {"vlob_update", "version"},
                   {"vlob_update", "encryption_revision"},
                   {"vlob_create", "encryption_revision"},
                   {"vlob_poll_changes", "last_checkpoint"},
                   {"realm_start_reencryption_maintenance", "encryption_revision"},
                   {"realm_finish_reencryption_maintenance", "encryption_revision"},
                   {"vlob_maintenance_get_reencryption_batch", "encryption_revision"},
                   {"vlob_maintenance_get_reencryption_batch", "size"}};
  const Map others{{"encryption_revision", 1},
                   {"realm_id", realm_id},
                   {"vlob_id", vlob_id},
                   {"timestamp", now()},
                   {"blob", ""_bin},
                   {"per_participant_message", Map{{"alice", ""_bin}}},
                   {"version", 2},
                   {"size", 1}};
  for_each_row(rows, [&](const Row& row) {
    for (const Document& value : values) {
      const Document reply = session.call(row.name, others.with({{row.field, value}}));
      const bool reads_all = std::string_view{row.name} == "message_get" ||
                             std::string_view{row.name} == "vlob_poll_changes" ||
                             std::string_view{row.field} == "page";
      if (!reads_all) {
        EXPECT_NE(reply["status"], Document("ok")) << row.field << " " << value;
      }
    }
  });
  EXPECT_THAT(session.call("ping", {{"ping", "x"}}), pong);
}

TEST_F(Fields, BooleansInOtherForms) {
  Session session = alice();
  session.add_user("zoe", "STANDARD", nullptr);
  const std::vector<Document> trues{true, 1, "t", "T", "true", "True", "TRUE", "1"};
  const std::vector<Document> falses{false, 0, "f", "F", "false", "False", "FALSE", "0"};
  for (const auto& [values, total] : {std::pair{trues, 1}, std::pair{falses, 2}}) {
    for (const Document& value : values) {
      EXPECT_EQ(session.call("human_find", {{"omit_non_human", value}})["total"], Document(total))
          << value;
    }
  }
}

TEST_F(Fields, ProfileComesBeforeValidation) {
  auto [alice, standard] = pair("STANDARD");
  Session outsider = alice.organization().connect(alice.add_user("olga", "OUTSIDER"));
  const Map nonsense{{"query", 1}, {"page", "x"}, {"role_certificate", "x"}};
  EXPECT_THAT(standard.call("user_create", nonsense),
              Refused("not_allowed", "User `bob` is not admin"));
  EXPECT_THAT(standard.call("user_revoke", nonsense),
              Refused("not_allowed", "User `bob` is not admin"));
  EXPECT_THAT(outsider.call("user_create", nonsense),
              Refused("not_allowed", "User `olga` is not admin"));
  EXPECT_THAT(outsider.call("user_revoke", nonsense),
              Refused("not_allowed", "User `olga` is not admin"));
  EXPECT_THAT(outsider.call("human_find", nonsense),
              Refused("not_allowed", "Not allowed for user with OUTSIDER profile."));
  EXPECT_THAT(outsider.call("realm_create", nonsense),
              Refused("not_allowed", "Outsider user cannot create realm"));
}

TEST_F(Fields, ErrorsLeaveTheConnectionAsItWas) {
  Session session = alice();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(session.call("x"), unknown_command);
    EXPECT_THAT(session.call("ping"), Invalid({{"ping", missing}}));
    EXPECT_THAT(session.call("realm_status", {{"realm_id", new_uuid()}}), Status("not_found"));
  }
  EXPECT_THAT(session.call("ping", {{"ping", "x"}}), pong);
}

}  // namespace
}  // namespace parsec::testing
