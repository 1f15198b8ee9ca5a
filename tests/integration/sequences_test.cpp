// A sequence behind its table, as a copy of the rows leaves it: nobody is told `ok`, or that his
// data is there already; the log names the cure; `run` refuses and `migrate` repairs.
#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

using ::testing::HasSubstr;

TEST(SequencesBehind, AreSaidAndRepaired) {
  const std::string url = Deployment::get().create_database("sequences_behind");
  const auto migrate = [&](std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"backend", "migrate", "--db", url};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_parsec(arguments);
    EXPECT_EQ(result.exit, 0) << result.output;
    return result.output;
  };
  migrate();
  auto server = Deployment::get().start_server({.database = url});
  const auto organization =
      Organization::create(server->address(), Deployment::administration_token);
  const auto connect = [&] { return organization->connect(organization->alice()); };
  Session alice = connect();
  const Uuid realm_id = alice.create_realm();
  for (int i = 0; i < 3; ++i) alice.create_block(realm_id);
  const Uuid vlob_id = alice.create_vlob(realm_id);

  DatabaseProbe probe{url};
  const auto set_back = [&](const std::string& table) {
    probe.execute("SELECT setval('" + table + "__id_seq', (SELECT max(_id) FROM " + table +
                  "), false)");
  };
  struct Row {
    const char* name;  // of the table
    const char* cmd;
    Map fields;
  };
  const std::vector<Row> rows{
      {"block", "block_create", {{"realm_id", realm_id}, {"block", "b"_bin}}},
      {"vlob_atom", "vlob_update", Session::update_fields(vlob_id, 2)},
      {"realm_vlob_update", "vlob_update", Session::update_fields(vlob_id, 2)},
  };
  for_each_row(rows, [&](const Row& row) {
    Session session = connect();
    set_back(row.name);
    session.start(row.cmd, std::string_view{row.cmd} == "block_create"
                               ? row.fields.with({{"block_id", new_uuid()}})
                               : row.fields);
    EXPECT_EQ(session.wait_end(), 1011);
    EXPECT_TRUE(server->process().await_output("The sequence public." + std::string{row.name} +
                                               "__id_seq is behind the ids of its table"));
  });
  // The store itself: the client is told to come again, and stores it then.
  Session session = connect();
  set_back("block_data");
  const Uuid block_id = new_uuid();
  const Map block{{"realm_id", realm_id}, {"block_id", block_id}, {"block", "data"_bin}};
  EXPECT_THAT(session.call("block_create", block), Status("timeout"));
  EXPECT_TRUE(server->process().await_output("public.block_data__id_seq is behind"));
  EXPECT_THAT(session.call("block_create", block), Status("ok"));
  EXPECT_EQ(session.require("block_read", {{"block_id", block_id}})["block"], Document("data"_bin));
  EXPECT_EQ(server->stop(), 0);

  set_back("block");
  set_back("message");
  const std::string port = std::to_string(server->address().port);
  const ProgramResult refused =
      run_parsec({"backend", "run", "--dev", "--port=" + port, "--db=" + url});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.output, HasSubstr("public.block__id_seq"));
  EXPECT_THAT(refused.output, HasSubstr("`parsec backend migrate`"));
  EXPECT_THAT(migrate({"--dry-run"}), HasSubstr("sequence public.block__id_seq: behind its table"));
  EXPECT_THAT(migrate(), HasSubstr(": repaired\n"));
  EXPECT_THAT(migrate(), ::testing::Not(HasSubstr("sequence ")));
  server->start();
  connect().create_block(realm_id);
  EXPECT_EQ(server->stop(), 0);
}

}  // namespace
}  // namespace parsec::testing
