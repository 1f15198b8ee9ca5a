#include "app/command_line/configuration.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "app/command_line/command_line.h"

namespace parsec::app {
namespace {

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string, std::less<>>;
using ::testing::HasSubstr;
using ::testing::Not;

/// Configuration of `parsec backend run`, or the complaint.
std::expected<Configuration, std::string> configure(Words words, const Variables& variables = {}) {
  words.insert(words.begin(), {"backend", "run"});
  auto result = parse_command_line(words, [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
  if (!result) return std::unexpected{result.error().text};
  return std::get<RunCommand>(std::move(*result)).configuration;
}

/// The least that must be given.
const Variables required{{"PARSEC_DB", "MOCKED"},
                         {"PARSEC_BLOCKSTORE", "MOCKED"},
                         {"PARSEC_ADMINISTRATION_TOKEN", "secret"},
                         {"PARSEC_BACKEND_ADDR", "parsec://example.com"},
                         {"PARSEC_EMAIL_HOST", "MOCKED"}};

/// Of an enumerator: its position.
template <typename Value>
std::string text_of(const Value& value) {
  if constexpr (std::is_enum_v<Value>) {
    return std::to_string(static_cast<int>(value));
  } else {
    return fmt::format("{}", value);
  }
}

struct OptionRow {
  std::string name;
  std::string variable;
  std::string value;  // empty: a switch
  std::function<std::string(const Configuration&)> seen;
  std::string by_default;  // as `seen` gives it
  std::string given;       // likewise
};

/// Whom anybody may become: oneself.
std::string own_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? "root" : entry->pw_name;
}

/// Makes `seen` from a member.
#define SEEN(member) [](const Configuration& c) { return text_of(c.member); }

class EveryOption : public testing::TestWithParam<OptionRow> {
 protected:
  Words flag(const std::string& value) const {
    if (GetParam().value.empty()) return {GetParam().name};
    return {GetParam().name, value};
  }
};

TEST_P(EveryOption, HasItsDefault) {
  const auto configuration = configure({}, required);
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_EQ(GetParam().seen(*configuration), GetParam().by_default);
}

TEST_P(EveryOption, IsReadFromTheCommandLine) {
  const auto configuration = configure(flag(GetParam().value), required);
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_EQ(GetParam().seen(*configuration), GetParam().given);
}

TEST_P(EveryOption, IsReadFromItsVariable) {
  Variables variables = required;
  variables[GetParam().variable] = GetParam().value.empty() ? "yes" : GetParam().value;
  const auto configuration = configure({}, variables);
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_EQ(GetParam().seen(*configuration), GetParam().given);
}

TEST_P(EveryOption, OnTheCommandLineBeatsItsVariable) {
  Variables variables = required;
  variables[GetParam().variable] = "\x01 would be refused";
  const auto configuration = configure(flag(GetParam().value), variables);
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_EQ(GetParam().seen(*configuration), GetParam().given);
}

TEST_P(EveryOption, IsDocumentedAsTested) {
  const Option* option = find_option(backend_run_options(), GetParam().name);
  ASSERT_NE(option, nullptr);
  EXPECT_EQ(option->variable, GetParam().variable);
  EXPECT_EQ(option->is_switch(), GetParam().value.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Server1, EveryOption,
    testing::Values(
        OptionRow{"--host", "PARSEC_HOST", "::1", SEEN(host), "127.0.0.1", "::1"},
        OptionRow{"--port", "PARSEC_PORT", "80", SEEN(port), "6777", "80"},
        OptionRow{"--db", "PARSEC_DB", "postgresql://u:p@h/d", SEEN(database.target.description()),
                  "MOCKED", "postgresql://u@h/d"},
        OptionRow{"--db-min-connections", "PARSEC_DB_MIN_CONNECTIONS", "3",
                  SEEN(database.min_connections), "5", "3"},
        OptionRow{"--db-max-connections", "PARSEC_DB_MAX_CONNECTIONS", "9",
                  SEEN(database.max_connections), "7", "9"},
        OptionRow{"--db-first-tries-number", "PARSEC_DB_FIRST_TRIES_NUMBER", "0",
                  SEEN(database.first_tries_number), "1", "0"},
        OptionRow{"--db-first-tries-sleep", "PARSEC_DB_FIRST_TRIES_SLEEP", "0.25",
                  SEEN(database.first_tries_sleep), "1000ms", "250ms"},
        OptionRow{"--blockstore", "PARSEC_BLOCKSTORE", "postgresql",
                  [](const Configuration& c) { return std::string{c.block_store.type()}; },
                  "MOCKED", "POSTGRESQL"},
        OptionRow{"--mocked-blockstore-size", "PARSEC_MOCKED_BLOCKSTORE_SIZE", "1MiB",
                  SEEN(block_store_settings.memory_bytes), "1073741824", "1048576"},
        OptionRow{"--blockstore-timeout", "PARSEC_BLOCKSTORE_TIMEOUT", "2.5",
                  SEEN(block_store_settings.timeout), "10000ms", "2500ms"},
        OptionRow{"--blockstore-connect-timeout", "PARSEC_BLOCKSTORE_CONNECT_TIMEOUT", "1",
                  SEEN(block_store_settings.connect_timeout), "3000ms", "1000ms"},
        OptionRow{"--blockstore-connections", "PARSEC_BLOCKSTORE_CONNECTIONS", "8",
                  SEEN(block_store_settings.connections), "32", "8"},
        OptionRow{"--blockstore-max-traffic", "PARSEC_BLOCKSTORE_MAX_TRAFFIC", "64MiB",
                  SEEN(block_store_settings.bytes_under_way), "268435456", "67108864"},
        OptionRow{"--blockstore-threads", "PARSEC_BLOCKSTORE_THREADS", "2",
                  SEEN(block_store_settings.threads), "1", "2"},
        OptionRow{"--blockstore-first-tries-number", "PARSEC_BLOCKSTORE_FIRST_TRIES_NUMBER", "5",
                  SEEN(block_store_settings.first_tries_number), "0", "5"},
        OptionRow{"--blockstore-first-tries-sleep", "PARSEC_BLOCKSTORE_FIRST_TRIES_SLEEP", "0.25",
                  SEEN(block_store_settings.first_tries_sleep), "1000ms", "250ms"},
        OptionRow{"--administration-token", "PARSEC_ADMINISTRATION_TOKEN", "other",
                  SEEN(administration_token), "secret", "other"},
        OptionRow{"--spontaneous-organization-bootstrap",
                  "PARSEC_SPONTANEOUS_ORGANIZATION_BOOTSTRAP", "",
                  SEEN(spontaneous_organization_bootstrap), "false", "true"},
        OptionRow{"--backend-addr", "PARSEC_BACKEND_ADDR", "parsec://h:1?no_ssl=true",
                  SEEN(backend_addr.text()), "parsec://example.com", "parsec://h:1?no_ssl=true"},
        OptionRow{"--forward-proto-enforce-https", "PARSEC_FORWARD_PROTO_ENFORCE_HTTPS",
                  "X-Forwarded-Proto:https",
                  [](const Configuration& c) {
                    const auto& proto = c.forwarded_proto;
                    return proto ? proto->header + " is " + proto->value : std::string{};
                  },
                  "", "X-Forwarded-Proto is https"},
        OptionRow{"--organization-bootstrap-webhook", "PARSEC_ORGANIZATION_BOOTSTRAP_WEBHOOK",
                  "https://h/p?q", SEEN(organization_bootstrap_webhook), "", "https://h/p?q"},
        OptionRow{"--email-port", "PARSEC_EMAIL_PORT", "587", SEEN(mail.port), "25", "587"},
        OptionRow{"--email-host-user", "PARSEC_EMAIL_HOST_USER", "u", SEEN(mail.user), "", "u"},
        OptionRow{"--email-host-password", "PARSEC_EMAIL_HOST_PASSWORD", "p", SEEN(mail.password),
                  "", "p"},
        OptionRow{"--email-use-ssl", "PARSEC_EMAIL_USE_SSL", "", SEEN(mail.use_ssl), "false",
                  "true"},
        OptionRow{"--email-use-tls", "PARSEC_EMAIL_USE_TLS", "", SEEN(mail.use_tls), "false",
                  "true"},
        OptionRow{"--email-helo", "PARSEC_EMAIL_HELO", "mx.example.com", SEEN(mail.hello_name), "",
                  "mx.example.com"},
        OptionRow{"--email-sender", "PARSEC_EMAIL_SENDER", "a@b.c", SEEN(mail.sender.address),
                  "no-reply@parsec.com", "a@b.c"},
        OptionRow{"--log-level", "PARSEC_LOG_LEVEL", "debug", SEEN(log.level), "2", "0"},
        OptionRow{"--user", "PARSEC_USER", own_name(), SEEN(user), "", own_name()},
        OptionRow{"--log-format", "PARSEC_LOG_FORMAT", "json", SEEN(log.format), "0", "1"},
        OptionRow{"--log-file", "PARSEC_LOG_FILE", "f", SEEN(log.file), "", "f"},
        OptionRow{"--log-filter", "PARSEC_LOG_FILTER", "a|b", SEEN(log.filter), "", "a|b"},
        OptionRow{"--sentry-url", "PARSEC_SENTRY_URL", "https://s", SEEN(sentry_url_given), "false",
                  "true"},
        OptionRow{"--debug", "PARSEC_DEBUG", "", SEEN(debug), "false", "true"},
        OptionRow{"--shards", "PARSEC_SHARDS", "3", SEEN(shards), "0", "3"},
        OptionRow{"--db-workers", "PARSEC_DB_WORKERS", "2", SEEN(database.workers), "1", "2"},
        OptionRow{"--pin-threads", "PARSEC_PIN_THREADS", "", SEEN(pin_threads), "false", "true"},
        OptionRow{"--io-uring-tier", "PARSEC_IO_URING_TIER", "cooperative", SEEN(best_ring_tier),
                  "0", "1"},
        OptionRow{"--max-connections", "PARSEC_MAX_CONNECTIONS", "100", SEEN(max_connections), "0",
                  "100"},
        OptionRow{"--max-strangers", "PARSEC_MAX_STRANGERS", "30", SEEN(max_strangers), "0", "30"},
        OptionRow{"--max-strangers-of-an-address", "PARSEC_MAX_STRANGERS_OF_AN_ADDRESS", "0",
                  SEEN(max_strangers_of_an_address), "1024", "0"},
        OptionRow{"--memory-limit", "PARSEC_MEMORY_LIMIT", "64MiB", SEEN(memory_limit), "0",
                  "67108864"},
        OptionRow{"--max-message-size", "PARSEC_MAX_MESSAGE_SIZE", "1MiB", SEEN(max_message_bytes),
                  "16777216", "1048576"},
        OptionRow{"--max-waiting-events", "PARSEC_MAX_WAITING_EVENTS", "10",
                  SEEN(max_waiting_events), "1024", "10"},
        OptionRow{"--head-timeout", "PARSEC_HEAD_TIMEOUT", "1", SEEN(head_timeout), "10000ms",
                  "1000ms"},
        OptionRow{"--handshake-timeout", "PARSEC_HANDSHAKE_TIMEOUT", "1.5", SEEN(handshake_timeout),
                  "30000ms", "1500ms"},
        OptionRow{"--anonymous-timeout", "PARSEC_ANONYMOUS_TIMEOUT", "5", SEEN(anonymous_timeout),
                  "300000ms", "5000ms"},
        OptionRow{"--claim-timeout", "PARSEC_CLAIM_TIMEOUT", "2.5", SEEN(claim_timeout), "300000ms",
                  "2500ms"},
        OptionRow{"--metrics-listen", "PARSEC_METRICS_LISTEN", "127.0.0.1:9100",
                  SEEN(monitoring.port), "0", "9100"},
        OptionRow{"--hung-after", "PARSEC_HUNG_AFTER", "2", SEEN(monitoring.hung_after), "10000ms",
                  "2000ms"},
        OptionRow{"--drain-time", "PARSEC_DRAIN_TIME", "20", SEEN(monitoring.drain_time), "0ms",
                  "20000ms"},
        OptionRow{"--slow-request", "PARSEC_SLOW_REQUEST", "0.5", SEEN(monitoring.slow_request),
                  "0ms", "500ms"},
        OptionRow{"--shutdown-timeout", "PARSEC_SHUTDOWN_TIMEOUT", "2", SEEN(shutdown_timeout),
                  "5000ms", "2000ms"}),
    [](const auto& row) {
      std::string name;
      for (const char c : row.param.name.substr(2)) name += c == '-' ? '_' : c;
      return name;
    });
#undef SEEN

class RequiredOption : public testing::TestWithParam<std::string> {};

TEST_P(RequiredOption, IsNamedWhenItIsMissing) {
  Variables variables = required;
  std::string variable = "PARSEC_" + GetParam();
  variables.erase(variable);
  const auto configuration = configure({}, variables);
  ASSERT_FALSE(configuration);
  EXPECT_THAT(configuration.error(), HasSubstr("Error: Missing option '--"));
  EXPECT_THAT(configuration.error(), HasSubstr("(environment variable " + variable + ")"));
}

INSTANTIATE_TEST_SUITE_P(Server1, RequiredOption,
                         testing::Values("DB", "BLOCKSTORE", "ADMINISTRATION_TOKEN", "BACKEND_ADDR",
                                         "EMAIL_HOST"),
                         [](const auto& row) { return row.param; });

struct Refusal {
  std::string name;
  Words words;
  std::string text;
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithATextThatNamesTheOption) {
  const auto configuration = configure(GetParam().words, required);
  ASSERT_FALSE(configuration);
  EXPECT_THAT(configuration.error(), HasSubstr(GetParam().text));
  EXPECT_THAT(configuration.error(), HasSubstr("'" + GetParam().words[0] + "'"));
}

INSTANTIATE_TEST_SUITE_P(
    Values, Refused,
    testing::Values(
        Refusal{"port_no_number", {"--port", "x"}, "whole number"},
        Refusal{"port_zero", {"--port", "0"}, "from 1 to 65535"},
        Refusal{"port_too_large", {"--port", "65536"}, "from 1 to 65535"},
        Refusal{"port_negative", {"--port", "-1"}, "Error"},
        Refusal{"host_empty", {"--host", ""}, "must not be empty"},
        Refusal{"db_unknown", {"--db", "mysql://h"}, "postgresql://"},
        Refusal{"db_no_directory", {"--db", "embedded:"}, "directory"},
        Refusal{"db_no_connections", {"--db-min-connections", "0"}, "from 1"},
        Refusal{"db_one_connection", {"--db-max-connections", "1"}, "from 2"},
        Refusal{"db_connections_crossed",
                {"--db-max-connections", "2", "--db-min-connections", "3"},
                "must not be less"},
        Refusal{"db_sleep", {"--db-first-tries-sleep", "soon"}, "seconds"},
        Refusal{"db_too_many_workers", {"--db-workers", "7"}, "for each worker"},
        Refusal{"blockstore_type", {"--blockstore", "nfs:x"}, "Invalid blockstore type `nfs`"},
        Refusal{"blockstore_s3", {"--blockstore", "s3:a:b"}, "Invalid S3 config, must be `s3:["},
        Refusal{"blockstore_two",
                {"--blockstore", "MOCKED", "-b", "POSTGRESQL"},
                "Multiple blockstore configs only available for RAID mode"},
        Refusal{"token_newline", {"--administration-token", "s3cr3t\n"}, "newline at its end"},
        Refusal{"token_blank", {"--administration-token", "s3cr3t t"}, "white space"},
        Refusal{"token_empty", {"--administration-token", ""}, "must not be empty"},
        Refusal{"webhook", {"--organization-bootstrap-webhook", "ftp://h"}, "http://"},
        Refusal{"webhook_without_host", {"--organization-bootstrap-webhook", "http://"}, "http://"},
        Refusal{"webhook_with_two_at",
                {"--organization-bootstrap-webhook", "https://u:se@cret@h/"},
                "percent-encoded"},
        Refusal{"webhook_with_a_slash",
                {"--organization-bootstrap-webhook", "https://u:12/se@h/"},
                "percent-encoded"},
        Refusal{"backend_addr", {"--backend-addr", "http://h"}, "parsec://"},
        Refusal{"backend_addr_no_ssl", {"--backend-addr", "parsec://h?no_ssl=1"}, "no_ssl"},
        Refusal{"forward_proto_without_value",
                {"--forward-proto-enforce-https", "X-Forwarded-Proto"},
                "should be `<header-name>:<header-value>`."},
        Refusal{"forward_proto_empty",
                {"--forward-proto-enforce-https", ""},
                "should be `<header-name>:<header-value>`."},
        Refusal{
            "both_kinds_of_tls", {"--email-use-tls", "--email-use-ssl"}, "cannot be used together"},
        Refusal{"mail_host",
                {"--email-host", "smtp h", "--email-sender", "a@b.c"},
                "neither MOCKED nor a host's name"},
        Refusal{"mail_port", {"--email-port", "99999"}, "from 1 to 65535"},
        Refusal{"mail_hello", {"--email-helo", "192.0.2.1"}, "address literal"},
        Refusal{"mail_sender", {"--email-sender", "nobody"}, "is no mail address: no `@`"},
        Refusal{"mail_sender_two", {"--email-sender", "a@b.c, d@e.f"}, "is no mail address"},
        Refusal{"mail_user_without_password",
                {"--email-host-password", "", "--email-host=smtp.h", "--email-sender=a@b.c",
                 "--email-host-user=u"},
                "user and password must be given together"},
        Refusal{"mail_password_without_user",
                {"--email-host-user", "", "--email-host=smtp.h", "--email-sender=a@b.c",
                 "--email-host-password=p"},
                "user and password must be given together"},
        Refusal{"certificate_without_key", {"--ssl-certfile", "/dev/null"}, "together"},
        Refusal{"log_level", {"--log-level", "LOUD"}, "one of DEBUG, INFO"},
        Refusal{"user", {"--user", "no-such-user"}, "there is no user `no-such-user`"},
        Refusal{"log_format", {"--log-format", "XML"}, "one of CONSOLE, JSON"},
        Refusal{"log_filter", {"--log-filter", "("}, "regular expression"},
        Refusal{"no_shards", {"--shards", "0"}, "from 1"},
        Refusal{"metrics_no_port", {"--metrics-listen", "127.0.0.1"}, "an address and a port"},
        Refusal{"metrics_no_address", {"--metrics-listen", ":9100"}, "an address and a port"},
        Refusal{"metrics_port", {"--metrics-listen", "[::1]:65536"}, "an address and a port"},
        Refusal{
            "metrics_token", {"--metrics-token", "a b", "--metrics-listen=[::1]:1"}, "white space"},
        Refusal{"metrics_token_alone", {"--metrics-token", "t"}, "needs --metrics-listen"},
        Refusal{"hung_after", {"--hung-after", "1.9"}, "2 seconds or more"},
        Refusal{"message_size", {"--max-message-size", "1"}, "size from 1024"},
        Refusal{"timeout", {"--head-timeout", "-"}, "seconds"}),
    [](const auto& row) { return row.param.name; });

TEST(Configuration, WhereMetricsAre) {
  const auto configuration =
      configure({"--metrics-listen=[::1]:9100", "--metrics-token=t"}, required);
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_EQ(configuration->monitoring.host, "::1");
  EXPECT_EQ(configuration->monitoring.port, 9100);
  EXPECT_EQ(configuration->monitoring.token, "t");
}

TEST(Configuration, AHostInBracketsIsAnAddress) {
  EXPECT_EQ(configure({"--host=[::1]"}, required)->host, "::1");
  EXPECT_EQ(configure({"--host=[::]"}, required)->host, "::");
}

TEST(Configuration, NamesTheVariableThatAWrongValueCameFrom) {
  Variables variables = required;
  variables["PARSEC_PORT"] = "x";
  EXPECT_THAT(configure({}, variables).error(),
              HasSubstr("Invalid value for '--port' (from PARSEC_PORT): "));
}

TEST(Configuration, SwitchesInVariables) {
  for (const auto& [value, expected] : std::map<std::string, bool>{{"1", true},
                                                                   {"true", true},
                                                                   {"YES", true},
                                                                   {"on", true},
                                                                   {"0", false},
                                                                   {"off", false}}) {
    Variables variables = required;
    variables["PARSEC_DEBUG"] = value;
    const auto configuration = configure({}, variables);
    ASSERT_TRUE(configuration) << configuration.error();
    EXPECT_EQ(configuration->debug, expected) << value;
  }
  Variables variables = required;
  variables["PARSEC_DEBUG"] = "perhaps";
  EXPECT_THAT(configure({}, variables).error(), HasSubstr("'--debug' (from PARSEC_DEBUG)"));
}

TEST(Configuration, AnEmptyVariableIsNotSet) {
  Variables variables = required;
  variables["PARSEC_PORT"] = "";
  EXPECT_EQ(configure({}, variables)->port, 6777);
  variables["PARSEC_DB"] = "";
  EXPECT_THAT(configure({}, variables).error(), HasSubstr("Missing option '--db'"));
}

TEST(Configuration, SeveralBlockStoresInTheVariableAreSeparatedBySpaces) {
  Variables variables = required;
  variables["PARSEC_BLOCKSTORE"] = "raid1:0:MOCKED  raid1:0:MOCKED";
  EXPECT_THAT(configure({}, variables).error(),
              HasSubstr("Multiple configuration for node index `0` in RAID config"));
}

TEST(Configuration, TheOtherBoundOfConnectionsFollowsTheOneGiven) {
  EXPECT_EQ(configure({"--db-max-connections=2"}, required)->database.min_connections, 2U);
  EXPECT_EQ(configure({"--db-min-connections=20"}, required)->database.max_connections, 20U);
}

TEST(Configuration, ALogFileIsJsonUnlessAFormatIsGiven) {
  EXPECT_EQ(configure({"-o", "f"}, required)->log.format, LogConfiguration::Format::json);
  EXPECT_EQ(configure({"-o", "f", "-f", "CONSOLE"}, required)->log.format,
            LogConfiguration::Format::console);
}

TEST(Configuration, ARealMailServerNeedsASender) {
  EXPECT_THAT(configure({"--email-host=smtp.h"}, required).error(), HasSubstr("'--email-sender'"));
}

TEST(Configuration, OfARealMailServer) {
  const auto configuration =
      configure({"--email-host=smtp.example.com", "--email-port=587", "--email-use-tls",
                 "--email-sender=Parsec <no-reply@example.com>", "--email-host-user=u",
                 "--email-host-password=pa55word"},
                required);
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_FALSE(configuration->mail.mocked());
  EXPECT_THAT(configuration->description(),
              HasSubstr("email_config=no-reply@example.com@smtp.example.com:587"));
  EXPECT_THAT(configuration->description(), Not(HasSubstr("pa55word")));
  for (const auto* host : {"--email-host=::1", "--email-host=[::1]", "--email-host=192.0.2.1"}) {
    EXPECT_TRUE(configure({host, "--email-sender=a@b.c"}, required)) << host;
  }
}

TEST(Dev, StandsForAWholeConfiguration) {
  const auto configuration = configure({"--dev"});
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_TRUE(configuration->debug);
  EXPECT_EQ(configuration->administration_token, "s3cr3t");
  EXPECT_EQ(configuration->mail.sender.address, "no-reply@parsec.com");
  EXPECT_EQ(configuration->description(),
            "db=MOCKED blockstore=MOCKED backend_addr=parsec://localhost:6777?no_ssl=true "
            "email_config=MOCKED");
}

TEST(Dev, WhatIsGivenExplicitlyWins) {
  const auto configuration =
      configure({"--dev", "--blockstore=POSTGRESQL", "--administration-token", "other"},
                {{"PARSEC_DB", "postgresql://h/d"}});
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_EQ(configuration->administration_token, "other");
  EXPECT_EQ(configuration->description(),
            "db=postgresql://h/d blockstore=POSTGRESQL "
            "backend_addr=parsec://localhost:6777?no_ssl=true email_config=MOCKED");
}

TEST(Dev, TheAddressFollowsThePort) {
  EXPECT_EQ(configure({"--dev", "--port=7001"})->backend_addr.text(),
            "parsec://localhost:7001?no_ssl=true");
  EXPECT_EQ(configure({"--dev"}, {{"PARSEC_PORT", "7002"}})->backend_addr.text(),
            "parsec://localhost:7002?no_ssl=true");
}

TEST(Description, HoldsNoSecret) {
  const auto configuration =
      configure({"--db=postgresql://user:pa55word@h/d?password=pa55word&sslmode=disable",
                 "--administration-token=pa55word", "--email-host-password=pa55word"},
                required);
  ASSERT_TRUE(configuration) << configuration.error();
  EXPECT_THAT(configuration->description(), Not(HasSubstr("pa55word")));
  EXPECT_THAT(configuration->description(), HasSubstr("sslmode=disable"));
}

}  // namespace
}  // namespace parsec::app
