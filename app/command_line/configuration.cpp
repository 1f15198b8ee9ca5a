#include "app/command_line/configuration.h"

#include <algorithm>
#include <array>
#include <optional>
#include <regex>
#include <utility>
#include <variant>
#include <vector>

#include "app/command_line/option_reader.h"
#include "app/command_line/value_parsing.h"
#include "app/delivery/hello_name.h"
#include "app/process/process_user.h"
#include "engine/host/heartbeats.h"
#include "engine/outbound/http_url.h"

namespace parsec::app {
namespace {

using Level = LogConfiguration::Level;
using Format = LogConfiguration::Format;

constexpr std::uint32_t most_threads = 1024;

constexpr auto levels = std::to_array<std::pair<std::string_view, Level>>({
    {"DEBUG", Level::debug},
    {"INFO", Level::info},
    {"WARNING", Level::warning},
    {"ERROR", Level::error},
    {"CRITICAL", Level::critical},
});
constexpr auto formats = std::to_array<std::pair<std::string_view, Format>>({
    {"CONSOLE", Format::console},
    {"JSON", Format::json},
});

constexpr auto ring_tiers = std::to_array<std::pair<std::string_view, engine::UringTier>>({
    {"DEFERRED", engine::UringTier::deferred},
    {"COOPERATIVE", engine::UringTier::cooperative},
    {"SINGLE_SHOT", engine::UringTier::single_shot},
});

/// What --dev stands for (app/server.md §1); what was given already stays.
void apply_dev(OptionValues& values) {
  const OptionValues::Given* port = values.find("--port");
  const bool tls = values.find("--ssl-certfile") != nullptr;
  const std::string address =
      "parsec://localhost:" + (port == nullptr ? std::string{"6777"} : port->texts.back()) +
      (tls ? "" : "?no_ssl=true");
  const std::pair<std::string_view, std::string> meaning[] = {
      {"--debug", "true"},
      {"--db", "MOCKED"},
      {"--backend-addr", address},
      {"--email-sender", "no-reply@parsec.com"},
      {"--email-host", "MOCKED"},
      {"--blockstore", "MOCKED"},
      {"--administration-token", "s3cr3t"},
  };
  for (const auto& [name, text] : meaning) values.give_if_absent(name, text, "--dev");
}

db::Target read_target(OptionReader& read) {
  const std::string text = read.text("--db");
  auto target = db::parse_target(text);
  if (!target) read.complain("--db", target.error());
  return std::move(target).value_or(db::Target{});
}

db::Settings read_database(OptionReader& read) {
  constexpr std::uint32_t most = 1000;  // PostgreSQL itself allows 100 by default
  db::Settings database;
  database.target = read_target(read);
  database.min_connections = read.count("--db-min-connections", 1, most);
  database.max_connections = read.count("--db-max-connections", 2, most);
  if (database.max_connections < database.min_connections) {
    // If one of the two alone was given, the other follows.
    if (!read.given("--db-min-connections")) {
      database.min_connections = database.max_connections;
    } else if (!read.given("--db-max-connections")) {
      database.max_connections = database.min_connections;
    } else {
      read.complain("--db-max-connections", "must not be less than --db-min-connections");
    }
  }
  database.first_tries_number = read.count("--db-first-tries-number", 0, 1'000'000);
  database.first_tries_sleep = read.seconds("--db-first-tries-sleep");
  database.workers = read.count("--db-workers", 1, most_threads);
  if (database.workers > database.max_connections - 1) {
    read.complain("--db-workers",
                  "--db-max-connections must have room for each worker, and one for notifications");
  }
  return database;
}

MailConfiguration read_mail(OptionReader& read) {
  MailConfiguration mail{
      .host = read.non_empty_text("--email-host"),
      .port = read.port("--email-port"),
      .user = read.text("--email-host-user"),
      .password = read.text("--email-host-password"),
      .use_ssl = read.boolean("--email-use-ssl"),
      .use_tls = read.boolean("--email-use-tls"),
      .sender = {},
      .hello_name = read.text("--email-helo"),
  };
  if (!mail.hello_name.empty() && !is_hello_name(mail.hello_name)) {
    read.complain("--email-helo",
                  "must be a domain name, or an address literal as [192.0.2.1] or "
                  "[IPv6:2001:db8::1]");
  }
  if (mail.use_ssl && mail.use_tls) {
    read.complain("--email-use-tls", "cannot be used together with --email-use-ssl");
  }
  std::string sender = read.text("--email-sender");
  if (sender.empty() && mail.mocked()) sender = "no-reply@parsec.com";
  auto mailbox = protocol::Mailbox::parse(sender);
  if (sender.empty()) {
    read.complain("--email-sender", "is required with a real --email-host");
  } else if (!mailbox) {
    read.complain("--email-sender", "is no mail address: " + mailbox.error());
  }
  mail.sender = std::move(mailbox).value_or(protocol::Mailbox{});
  if (mail.mocked()) return mail;
  if (!is_host(mail.host)) read.complain("--email-host", "is neither MOCKED nor a host's name");
  if (mail.user.empty() != mail.password.empty()) {
    read.complain(mail.user.empty() ? "--email-host-user" : "--email-host-password",
                  "user and password must be given together");
  }
  return mail;
}

LogConfiguration read_log(OptionReader& read) {
  LogConfiguration log;
  log.level = read.choice<Level>("--log-level", levels);
  log.file = read.non_empty_text("--log-file");
  log.format = log.file.empty() ? Format::console : Format::json;
  if (read.given("--log-format")) log.format = read.choice<Format>("--log-format", formats);
  log.filter = read.text("--log-filter");
  try {
    const std::regex compiled{log.filter};
  } catch (const std::regex_error& error) {
    read.complain("--log-filter", std::string{"is no regular expression: "} + error.what());
  }
  return log;
}

void read_block_store(OptionReader& read, Configuration& configuration) {
  auto& settings = configuration.block_store_settings;
  constexpr auto most_bytes = std::uint64_t{1} << 50;
  settings.memory_bytes = read.size("--mocked-blockstore-size", 0, most_bytes);
  settings.timeout = read.seconds("--blockstore-timeout");
  settings.connect_timeout = read.seconds("--blockstore-connect-timeout");
  settings.connections = read.count("--blockstore-connections", 1, 10'000);
  settings.bytes_under_way = read.size("--blockstore-max-traffic", 2 << 20, most_bytes);
  settings.threads = read.count("--blockstore-threads", 1, most_threads);
  settings.first_tries_number = read.count("--blockstore-first-tries-number", 0, 1'000'000);
  settings.first_tries_sleep = read.seconds("--blockstore-first-tries-sleep");
  const std::vector<std::string> texts = read.texts("--blockstore");
  if (texts.empty()) return;  // missing: said by the reader
  auto parsed = db::parse_block_store(std::vector<std::string_view>(texts.begin(), texts.end()));
  if (parsed) {
    configuration.block_store = std::move(*parsed);
  } else {
    read.complain("--blockstore", parsed.error());
  }
}

/// An IPv6 address as URLs write it (RFC 3986 §3.2.2).
std::string without_brackets(std::string host) {
  if (!host.starts_with('[') || !host.ends_with(']')) return host;
  return host.substr(1, host.size() - 2);
}

void read_addresses(OptionReader& read, Configuration& configuration) {
  configuration.host = without_brackets(read.non_empty_text("--host"));
  configuration.port = read.port("--port");
  const std::string text = read.text("--backend-addr");
  auto address = protocol::BackendAddress::parse(text);
  if (address) {
    configuration.backend_addr = std::move(*address);
  } else {
    read.complain("--backend-addr", address.error());
  }
  if (read.given("--forward-proto-enforce-https")) {
    auto proto = protocol::ForwardedProto::parse(read.text("--forward-proto-enforce-https"));
    if (!proto) read.complain("--forward-proto-enforce-https", proto.error());
    if (proto) configuration.forwarded_proto = std::move(*proto);
  }
  configuration.ssl_keyfile = read.non_empty_text("--ssl-keyfile");
  configuration.ssl_certfile = read.non_empty_text("--ssl-certfile");
  if (configuration.ssl_keyfile.empty() != configuration.ssl_certfile.empty()) {
    read.complain(configuration.ssl_keyfile.empty() ? "--ssl-certfile" : "--ssl-keyfile",
                  "key and certificate must be given together");
  }
}

/// From a file with a newline at its end, for instance: no client could ever send the same.
bool holds_space(std::string_view token) {
  return std::ranges::any_of(token, [](char c) { return c >= 0 && c <= ' '; });
}
constexpr std::string_view space_in_token =
    "holds white space or a control character, perhaps a newline at its end";

void read_organizations(OptionReader& read, Configuration& configuration) {
  configuration.administration_token = read.non_empty_text("--administration-token");
  if (holds_space(configuration.administration_token)) {
    read.complain("--administration-token", space_in_token);
  }
  configuration.spontaneous_organization_bootstrap =
      read.boolean("--spontaneous-organization-bootstrap");
  std::string& webhook = configuration.organization_bootstrap_webhook;
  webhook = read.text("--organization-bootstrap-webhook");
  if (webhook.empty()) return;
  const std::string kind = "must be an http:// or https:// URL";
  const auto complaint = engine::complaint_about_url(webhook, engine::UrlUser::allowed);
  if (complaint) {
    read.complain("--organization-bootstrap-webhook", kind + "; this one " + *complaint);
  } else if (!is_http_url(webhook)) {
    read.complain("--organization-bootstrap-webhook", kind);
  }
}

MonitoringConfiguration read_monitoring(OptionReader& read) {
  MonitoringConfiguration monitoring;
  if (read.given("--metrics-listen")) {
    const std::string address = read.non_empty_text("--metrics-listen");
    const auto colon = address.rfind(':');
    const auto port = colon == address.npos
                          ? std::nullopt
                          : parse_number(std::string_view{address}.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535 || colon == 0) {
      read.complain("--metrics-listen",
                    "must be an address and a port: 127.0.0.1:9100, [::1]:9100");
    } else {
      monitoring.host = without_brackets(address.substr(0, colon));
      monitoring.port = static_cast<std::uint16_t>(*port);
    }
  }
  if (read.given("--metrics-token")) {
    monitoring.token = read.non_empty_text("--metrics-token");
    if (holds_space(monitoring.token)) read.complain("--metrics-token", space_in_token);
    if (monitoring.port == 0) read.complain("--metrics-token", "needs --metrics-listen");
  }
  monitoring.hung_after = read.seconds("--hung-after");
  if (monitoring.hung_after < 2 * engine::heartbeat_interval) {
    read.complain("--hung-after", "must be 2 seconds or more: so long threads may sleep");
  }
  monitoring.drain_time = read.seconds("--drain-time");
  monitoring.slow_request = read.seconds("--slow-request");
  return monitoring;
}

void read_user(OptionReader& read, Configuration& configuration) {
  if (!read.given("--user")) return;
  configuration.user = read.non_empty_text("--user");
  if (auto possible = check_user(configuration.user); !possible) {
    read.complain("--user", possible.error());
  }
}

void read_capacity(OptionReader& read, Configuration& configuration) {
  if (read.given("--shards")) configuration.shards = read.count("--shards", 1, most_threads);
  configuration.pin_threads = read.boolean("--pin-threads");
  configuration.best_ring_tier = read.choice<engine::UringTier>("--io-uring-tier", ring_tiers);
  if (read.given("--max-connections")) {
    configuration.max_connections = read.count("--max-connections", 1, 1 << 24);
  }
  if (read.given("--max-strangers")) {
    configuration.max_strangers = read.count("--max-strangers", 1, 1 << 24);
  }
  configuration.max_strangers_of_an_address =
      read.count("--max-strangers-of-an-address", 0, 1 << 24);
  if (read.given("--memory-limit")) {
    configuration.memory_limit = read.size("--memory-limit", 16 << 20, std::size_t{1} << 50);
  }
  configuration.max_message_bytes = read.size("--max-message-size", 1024, 1 << 30);
  configuration.max_waiting_events = read.count("--max-waiting-events", 1, 1 << 20);
  configuration.head_timeout = read.seconds("--head-timeout");
  configuration.handshake_timeout = read.seconds("--handshake-timeout");
  configuration.anonymous_timeout = read.seconds("--anonymous-timeout");
  configuration.claim_timeout = read.seconds("--claim-timeout");
  configuration.shutdown_timeout = read.seconds("--shutdown-timeout");
}

}  // namespace

std::expected<Configuration, UsageError> Configuration::from(OptionValues values) {
  {
    OptionReader read{values, backend_run_options()};
    const bool dev = read.boolean("--dev");
    if (read.error()) return std::unexpected{*read.error()};
    if (dev) apply_dev(values);
  }
  OptionReader read{values, backend_run_options()};
  Configuration configuration;
  configuration.database = read_database(read);
  read_block_store(read, configuration);
  read_organizations(read, configuration);
  read_addresses(read, configuration);
  configuration.mail = read_mail(read);
  configuration.monitoring = read_monitoring(read);
  configuration.log = read_log(read);
  read_user(read, configuration);
  configuration.sentry_url_given = read.given("--sentry-url");
  configuration.debug = read.boolean("--debug");
  configuration.dev = read.boolean("--dev");
  read_capacity(read, configuration);
  if (read.error()) return std::unexpected{*read.error()};
  return configuration;
}

std::expected<db::Target, UsageError> database_from(const OptionValues& values) {
  OptionReader read{values, backend_migrate_options()};
  db::Target target = read_target(read);
  if (target.kind == db::Target::Kind::mocked) {
    read.complain("--db", "there is nothing to migrate in `MOCKED`");
  }
  if (read.error()) return std::unexpected{*read.error()};
  return target;
}

std::string Configuration::description() const {
  return "db=" + database.target.description() + " blockstore=" + std::string{block_store.type()} +
         " backend_addr=" + backend_addr.text() + " email_config=" + mail.description();
}

std::string MailConfiguration::description() const {
  if (mocked()) return "MOCKED";
  return sender.address + "@" + host + ":" + std::to_string(port);
}

}  // namespace parsec::app
