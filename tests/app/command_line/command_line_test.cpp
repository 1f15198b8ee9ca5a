#include "app/command_line/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "app/command_line/version.h"

namespace parsec::app {
namespace {

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string, std::less<>>;
using ::testing::AllOf;
using ::testing::HasSubstr;

auto parse(const Words& words, const Variables& variables = {}) {
  return parse_command_line(words, [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

std::string complaint_about(const Words& words, const Variables& variables = {}) {
  const auto result = parse(words, variables);
  if (result) return "accepted";
  EXPECT_EQ(result.error().exit_code, 2) << result.error().text;
  return result.error().text;
}

TEST(CommandLine, Version) {
  const auto result = parse({"--version"});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().exit_code, 0);
  EXPECT_EQ(result.error().text, "parsec, version " + std::string{version} + "\n");
}

struct Wrong {
  std::string name;
  Words words;
  std::string named;  // what the complaint must name
};

class UsageErrors : public testing::TestWithParam<Wrong> {};

TEST_P(UsageErrors, NameWhatIsWrong) {
  EXPECT_THAT(complaint_about(GetParam().words), HasSubstr("Error: "));
  EXPECT_THAT(complaint_about(GetParam().words), HasSubstr(GetParam().named));
}

INSTANTIATE_TEST_SUITE_P(
    All, UsageErrors,
    testing::Values(
        Wrong{"unknown_command", {"serve"}, "'serve'"},
        Wrong{"unknown_command_of_a_group", {"backend", "serve"}, "'serve'"},
        Wrong{"unknown_option", {"backend", "run", "--dev", "--prot=1"}, "--prot"},
        // The rest of what belongs to no option may be a secret.
        Wrong{"unknown_option_with_a_value",
              {"backend", "run", "--dev", "--administration-tokn=secret"},
              "No such option or argument '--administration-tokn'."},
        Wrong{"unknown_letter", {"backend", "run", "--dev", "-xsecret"}, "argument '-x'."},
        Wrong{"unknown_argument",
              {"backend", "run", "--dev", "secret"},
              "Error: An argument belongs to no option (it is not shown)."},
        Wrong{"missing_value", {"backend", "run", "--dev", "--port"}, "'--port'"},
        Wrong{"missing_value_of_a_letter", {"backend", "run", "--dev", "-P"}, "--port"},
        Wrong{"missing_argument", {"core", "stats_organization"}, "'NAME'"},
        Wrong{"missing_address", {"core", "stats_organization", "Org", "-T", "t"}, "'--addr'"},
        Wrong{"missing_token",
              {"core", "stats_organization", "Org", "-B", "parsec://h"},
              "'--administration-token'"},
        Wrong{"wrong_address",
              {"core", "stats_organization", "Org", "-B", "http://h", "-T", "t"},
              "'--addr'"},
        Wrong{"wrong_organization",
              {"core", "stats_organization", "no org", "-B", "parsec://h", "-T", "t"},
              "'NAME'"},
        Wrong{"wrong_date",
              {"core", "create_organization", "Org", "-B", "parsec://h", "-T", "t", "-E", "soon"},
              "'--expiration-date'"},
        Wrong{"date_elsewhere",
              {"core", "stats_organization", "Org", "-B", "parsec://h", "-T", "t", "-E",
               "2030-01-01"},
              "'-E'"},
        Wrong{"migrate_nothing", {"backend", "migrate"}, "'--db'"},
        Wrong{"migrate_mocked", {"backend", "migrate", "--db", "MOCKED"}, "'--db'"}),
    [](const auto& row) { return row.param.name; });

TEST(CommandLine, TellsTheUsageWithTheComplaint) {
  EXPECT_THAT(complaint_about({"backend", "run"}),
              AllOf(HasSubstr("Usage: parsec backend run [OPTIONS]\n"),
                    HasSubstr("Try 'parsec backend run --help' for help.\n"),
                    HasSubstr("Error: Missing option '--db' (environment variable PARSEC_DB).\n")));
}

TEST(CommandLine, Run) {
  const auto result = parse({"backend", "run", "--dev", "-P", "7000"});
  ASSERT_TRUE(result) << result.error().text;
  EXPECT_EQ(std::get<RunCommand>(*result).configuration.port, 7000);
}

TEST(CommandLine, Migrate) {
  const auto result = parse({"backend", "migrate", "--db=postgresql://h/d", "--dry-run"});
  ASSERT_TRUE(result) << result.error().text;
  const auto& command = std::get<MigrateCommand>(*result);
  EXPECT_EQ(command.database.location, "postgresql://h/d");
  EXPECT_TRUE(command.dry_run);

  const auto by_variable = parse({"backend", "migrate"}, {{"PARSEC_DB", "embedded:/d"}});
  ASSERT_TRUE(by_variable) << by_variable.error().text;
  EXPECT_FALSE(std::get<MigrateCommand>(*by_variable).dry_run);
}

TEST(CommandLine, CreateOrganization) {
  const auto result = parse({"core", "create_organization", "Org", "--addr", "parsec://h:1",
                             "--administration-token=t", "--expiration-date=2030-01-02"});
  ASSERT_TRUE(result) << result.error().text;
  const auto& command = std::get<OrganizationCommand>(*result);
  EXPECT_EQ(command.kind, OrganizationCommand::Kind::create);
  EXPECT_EQ(command.organization_id, "Org");
  EXPECT_EQ(command.address.text(), "parsec://h:1");
  EXPECT_EQ(command.administration_token, "t");
  ASSERT_TRUE(command.expiration_date);
  EXPECT_EQ(command.expiration_date->text(), "2030-01-02T00:00:00.000000Z");
}

TEST(CommandLine, OrganizationCommandsReadVariables) {
  const Variables variables{{"PARSEC_ADDR", "parsec://h"}, {"PARSEC_ADMINISTRATION_TOKEN", "t"}};
  const auto result = parse({"core", "status_organization", "Org"}, variables);
  ASSERT_TRUE(result) << result.error().text;
  EXPECT_EQ(std::get<OrganizationCommand>(*result).kind, OrganizationCommand::Kind::status);
}

TEST(CommandLine, OfAnOptionGivenTwiceTheLastCounts) {
  const auto result = parse({"backend", "run", "--dev", "--port=1", "--port=2"});
  ASSERT_TRUE(result) << result.error().text;
  EXPECT_EQ(std::get<RunCommand>(*result).configuration.port, 2);
}

}  // namespace
}  // namespace parsec::app
