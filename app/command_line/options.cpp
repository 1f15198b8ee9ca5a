#include "app/command_line/options.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace parsec::app {
namespace {

constexpr auto listening = std::to_array<Option>({
    {.name = "--host",
     .letter = "-H",
     .variable = "PARSEC_HOST",
     .metavar = "HOST",
     .fallback = "127.0.0.1",
     .help = "Address or name to listen on."},
    {.name = "--port",
     .letter = "-P",
     .variable = "PARSEC_PORT",
     .metavar = "PORT",
     .fallback = "6777",
     .help = "TCP port to listen on."},
    {.name = "--backend-addr",
     .variable = "PARSEC_BACKEND_ADDR",
     .metavar = "URL",
     .help = "Address of this server as its users reach it, for links: "
             "parsec://HOST[:PORT][?no_ssl=true].",
     .required = true},
    {.name = "--ssl-keyfile",
     .variable = "PARSEC_SSL_KEYFILE",
     .metavar = "FILE",
     .help = "TLS private key (PEM). Without key and certificate: plain TCP."},
    {.name = "--ssl-certfile",
     .variable = "PARSEC_SSL_CERTFILE",
     .metavar = "FILE",
     .help = "TLS certificate chain (PEM)."},
    {.name = "--forward-proto-enforce-https",
     .variable = "PARSEC_FORWARD_PROTO_ENFORCE_HTTPS",
     .metavar = "HEADER:VALUE",
     .help =
         "Redirect to https what has this header, set by the proxy in front, with another value: "
         "X-Forwarded-Proto:https."},
});

constexpr auto monitoring = std::to_array<Option>({
    {.name = "--metrics-listen",
     .variable = "PARSEC_METRICS_LISTEN",
     .metavar = "ADDRESS:PORT",
     .help =
         "Answer /metrics, /health and /ready there, too, over plain HTTP. By default there are "
         "no metrics."},
    {.name = "--metrics-token",
     .variable = "PARSEC_METRICS_TOKEN",
     .metavar = "TOKEN",
     .help = "Secret that opens /metrics: Authorization: Bearer TOKEN. By default it is open.",
     .secret = true},
    {.name = "--hung-after",
     .variable = "PARSEC_HUNG_AFTER",
     .metavar = "SECONDS",
     .fallback = "10",
     .help = "A thread that has not turned over for so long makes /health fail."},
    {.name = "--drain-time",
     .variable = "PARSEC_DRAIN_TIME",
     .metavar = "SECONDS",
     .fallback = "0",
     .help = "Told to stop, go on serving for so long while /ready fails, so that a balancer "
             "notices."},
    {.name = "--slow-request",
     .variable = "PARSEC_SLOW_REQUEST",
     .metavar = "SECONDS",
     .fallback = "0",
     .help = "Log a WARNING of each request that takes as long; 0: of none."},
});

constexpr auto storage = std::to_array<Option>({
    {.name = "--db",
     .variable = "PARSEC_DB",
     .metavar = "URL",
     .help = "Where metadata is kept: postgresql://... , embedded:DIRECTORY (a private PostgreSQL "
             "in that directory), or MOCKED (the same in a temporary directory).",
     .required = true,
     .secret = true},
    {.name = "--db-min-connections",
     .variable = "PARSEC_DB_MIN_CONNECTIONS",
     .metavar = "NUMBER",
     .fallback = "5",
     .help = "Connections to the database that are always open."},
    {.name = "--db-max-connections",
     .variable = "PARSEC_DB_MAX_CONNECTIONS",
     .metavar = "NUMBER",
     .fallback = "7",
     .help = "Most connections to the database."},
    {.name = "--db-first-tries-number",
     .variable = "PARSEC_DB_FIRST_TRIES_NUMBER",
     .metavar = "NUMBER",
     .fallback = "1",
     .help = "How often to try to reach the database at the start; 0: until it answers."},
    {.name = "--db-first-tries-sleep",
     .variable = "PARSEC_DB_FIRST_TRIES_SLEEP",
     .metavar = "SECONDS",
     .fallback = "1",
     .help = "Time between these tries."},
    {.name = "--blockstore",
     .letter = "-b",
     .variable = "PARSEC_BLOCKSTORE",
     .metavar = "CONFIG",
     .help = "Where blocks are kept: POSTGRESQL (in the database), MOCKED (in memory), "
             "s3:[ENDPOINT]:REGION:BUCKET:KEY:SECRET, "
             "swift:AUTH_URL:TENANT:CONTAINER:USER:PASSWORD, or several of "
             "raid0|raid1|raid5:NODE:CONFIG. In the variable several are separated by spaces.",
     .required = true,
     .repeatable = true,
     .secret = true},
    {.name = "--mocked-blockstore-size",
     .variable = "PARSEC_MOCKED_BLOCKSTORE_SIZE",
     .metavar = "SIZE",
     .fallback = "1GiB",
     .help = "Most memory of --blockstore=MOCKED; beyond it new blocks are refused."},
    {.name = "--blockstore-timeout",
     .variable = "PARSEC_BLOCKSTORE_TIMEOUT",
     .metavar = "SECONDS",
     .fallback = "10",
     .help = "Time for reading or writing a block in S3 or Swift, further tries included; then the "
             "client is told `timeout`."},
    {.name = "--blockstore-connect-timeout",
     .variable = "PARSEC_BLOCKSTORE_CONNECT_TIMEOUT",
     .metavar = "SECONDS",
     .fallback = "3",
     .help = "Time for connecting to S3 or Swift."},
    {.name = "--blockstore-connections",
     .variable = "PARSEC_BLOCKSTORE_CONNECTIONS",
     .metavar = "NUMBER",
     .fallback = "32",
     .help =
         "Most connections to each S3 or Swift store, of which one organization alone gets three "
         "quarters; they are kept and used again."},
    {.name = "--blockstore-max-traffic",
     .variable = "PARSEC_BLOCKSTORE_MAX_TRAFFIC",
     .metavar = "SIZE",
     .fallback = "256MiB",
     .help =
         "Most memory for blocks that wait for each S3 or Swift store or are under way; one "
         "organization alone gets half, and beyond all of it clients are told `timeout` at once."},
    {.name = "--blockstore-threads",
     .variable = "PARSEC_BLOCKSTORE_THREADS",
     .metavar = "NUMBER",
     .fallback = "1",
     .help = "Threads that talk to S3 and Swift; each store is served by one of them."},
    {.name = "--blockstore-first-tries-number",
     .variable = "PARSEC_BLOCKSTORE_FIRST_TRIES_NUMBER",
     .metavar = "NUMBER",
     .fallback = "0",
     .help = "How often to try to reach S3 and Swift at the start; 0: until they answer."},
    {.name = "--blockstore-first-tries-sleep",
     .variable = "PARSEC_BLOCKSTORE_FIRST_TRIES_SLEEP",
     .metavar = "SECONDS",
     .fallback = "1",
     .help = "Time between these tries."},
});

constexpr auto organizations = std::to_array<Option>({
    {.name = "--administration-token",
     .variable = "PARSEC_ADMINISTRATION_TOKEN",
     .metavar = "TOKEN",
     .help = "Secret that opens the administration commands.",
     .required = true,
     .secret = true},
    {.name = "--spontaneous-organization-bootstrap",
     .variable = "PARSEC_SPONTANEOUS_ORGANIZATION_BOOTSTRAP",
     .help = "Let anybody create an organization, without the administrator."},
    {.name = "--organization-bootstrap-webhook",
     .variable = "PARSEC_ORGANIZATION_BOOTSTRAP_WEBHOOK",
     .metavar = "URL",
     .help = "Tell this URL about each bootstrapped organization.",
     .secret = true},
});

constexpr auto mail = std::to_array<Option>({
    {.name = "--email-host",
     .variable = "PARSEC_EMAIL_HOST",
     .metavar = "HOST",
     .help = "SMTP server for invitations; MOCKED writes each mail to a file.",
     .required = true},
    {.name = "--email-port",
     .variable = "PARSEC_EMAIL_PORT",
     .metavar = "PORT",
     .fallback = "25",
     .help = "Port of the SMTP server."},
    {.name = "--email-host-user",
     .variable = "PARSEC_EMAIL_HOST_USER",
     .metavar = "NAME",
     .help = "User of the SMTP server."},
    {.name = "--email-host-password",
     .variable = "PARSEC_EMAIL_HOST_PASSWORD",
     .metavar = "PASSWORD",
     .help = "Password of that user.",
     .secret = true},
    {.name = "--email-use-ssl",
     .variable = "PARSEC_EMAIL_USE_SSL",
     .help = "TLS from the first byte."},
    {.name = "--email-use-tls", .variable = "PARSEC_EMAIL_USE_TLS", .help = "TLS by STARTTLS."},
    {.name = "--email-sender",
     .variable = "PARSEC_EMAIL_SENDER",
     .metavar = "ADDRESS",
     .help = "Sender of the mails; required with a real --email-host."},
    {.name = "--email-helo",
     .variable = "PARSEC_EMAIL_HELO",
     .metavar = "NAME",
     .help = "Name to greet the SMTP server with; by default this machine's fully qualified name, "
             "else its address."},
});

constexpr auto logs = std::to_array<Option>({
    {.name = "--log-level",
     .letter = "-l",
     .variable = "PARSEC_LOG_LEVEL",
     .metavar = "LEVEL",
     .fallback = "WARNING",
     .help = "DEBUG, INFO, WARNING, ERROR or CRITICAL."},
    {.name = "--log-format",
     .letter = "-f",
     .variable = "PARSEC_LOG_FORMAT",
     .metavar = "FORMAT",
     .help = "CONSOLE or JSON; by default CONSOLE, with --log-file JSON."},
    {.name = "--log-file",
     .letter = "-o",
     .variable = "PARSEC_LOG_FILE",
     .metavar = "FILE",
     .help = "Append logs to this file instead of writing them to stderr."},
    {.name = "--log-filter",
     .variable = "PARSEC_LOG_FILTER",
     .metavar = "REGEX",
     .help = "Log only messages in which this regular expression is found."},
    {.name = "--user",
     .variable = "PARSEC_USER",
     .metavar = "NAME",
     .help = "Started as root, bind the port and then become this user, before anything else."},
    {.name = "--sentry-url",
     .variable = "PARSEC_SENTRY_URL",
     .metavar = "URL",
     .help = "Accepted for compatibility; it has no effect.",
     .secret = true},
    {.name = "--debug", .variable = "PARSEC_DEBUG", .help = "Tell the version in HTTP answers."},
    {.name = "--dev",
     .help = "For development: --debug --db=MOCKED --blockstore=MOCKED --email-host=MOCKED "
             "--email-sender=no-reply@parsec.com --administration-token=s3cr3t "
             "--backend-addr=parsec://localhost:PORT?no_ssl=true. What is given explicitly wins."},
});

constexpr auto capacity = std::to_array<Option>({
    {.name = "--shards",
     .variable = "PARSEC_SHARDS",
     .metavar = "NUMBER",
     .help = "Network threads, each with its own connections; by default one for each core."},
    {.name = "--db-workers",
     .variable = "PARSEC_DB_WORKERS",
     .metavar = "NUMBER",
     .fallback = "1",
     .help = "Threads that talk to the database; they share its connections."},
    {.name = "--pin-threads",
     .variable = "PARSEC_PIN_THREADS",
     .help = "Bind each network thread to a core of its own."},
    {.name = "--io-uring-tier",
     .variable = "PARSEC_IO_URING_TIER",
     .metavar = "TIER",
     .fallback = "DEFERRED",
     .help = "Best way to use io_uring that is tried: DEFERRED, COOPERATIVE or SINGLE_SHOT. For "
             "kernels that misbehave."},
    {.name = "--max-connections",
     .variable = "PARSEC_MAX_CONNECTIONS",
     .metavar = "NUMBER",
     .help = "Most client connections, shared out evenly among the network threads; further ones "
             "are turned away. By default what the limit of open files has room for."},
    {.name = "--max-strangers",
     .variable = "PARSEC_MAX_STRANGERS",
     .metavar = "NUMBER",
     .help =
         "Most connections whose peer is not known yet (web pages, handshakes under way, anonymous "
         "ones): the oldest that idles makes room for a new one. By default a quarter of "
         "--max-connections."},
    {.name = "--max-strangers-of-an-address",
     .variable = "PARSEC_MAX_STRANGERS_OF_AN_ADDRESS",
     .metavar = "NUMBER",
     .fallback = "1024",
     .help = "Most of them from one address (of IPv6: one /64), 0: no limit. Addresses of this "
             "machine do "
             "not count, since a proxy may stand there; set 0 behind one on another machine."},
    {.name = "--memory-limit",
     .variable = "PARSEC_MEMORY_LIMIT",
     .metavar = "SIZE",
     .help = "Memory that all clients together may hold in messages, results and unread replies; "
             "near it "
             "less is read, and then the largest holder is ended. By default half of the "
             "machine's, or of "
             "the control group's."},
    {.name = "--max-message-size",
     .variable = "PARSEC_MAX_MESSAGE_SIZE",
     .metavar = "SIZE",
     .fallback = "16MiB",
     .help = "Largest message of a client."},
    {.name = "--max-waiting-events",
     .variable = "PARSEC_MAX_WAITING_EVENTS",
     .metavar = "NUMBER",
     .fallback = "1024",
     .help = "Events that may wait for a client that does not fetch them; beyond, its connection "
             "is closed."},
    {.name = "--head-timeout",
     .variable = "PARSEC_HEAD_TIMEOUT",
     .metavar = "SECONDS",
     .fallback = "10",
     .help = "Time for a client's HTTP request head."},
    {.name = "--handshake-timeout",
     .variable = "PARSEC_HANDSHAKE_TIMEOUT",
     .metavar = "SECONDS",
     .fallback = "30",
     .help = "Time for a client's handshake."},
    {.name = "--anonymous-timeout",
     .variable = "PARSEC_ANONYMOUS_TIMEOUT",
     .metavar = "SECONDS",
     .fallback = "300",
     .help = "Time that an anonymous connection may ask nothing."},
    {.name = "--claim-timeout",
     .variable = "PARSEC_CLAIM_TIMEOUT",
     .metavar = "SECONDS",
     .fallback = "300",
     .help = "Time that the two sides of an invitation of API v1 wait for each other."},
    {.name = "--shutdown-timeout",
     .variable = "PARSEC_SHUTDOWN_TIMEOUT",
     .metavar = "SECONDS",
     .fallback = "5",
     .help = "Time for requests under way when the server is told to stop."},
});

constexpr auto migrate = std::to_array<Option>({
    {.name = "--db",
     .variable = "PARSEC_DB",
     .metavar = "URL",
     .help = "The database: postgresql://... or embedded:DIRECTORY.",
     .required = true,
     .secret = true},
    {.name = "--dry-run", .help = "Only tell what would be done."},
});

constexpr auto core = std::to_array<Option>({
    {.name = "--addr",
     .letter = "-B",
     .variable = "PARSEC_ADDR",
     .metavar = "URL",
     .help = "Address of the server: parsec://HOST[:PORT][?no_ssl=true].",
     .required = true},
    {.name = "--administration-token",
     .letter = "-T",
     .variable = "PARSEC_ADMINISTRATION_TOKEN",
     .metavar = "TOKEN",
     .help = "The server's administration token.",
     .required = true,
     .secret = true},
});

constexpr auto expiration = std::to_array<Option>({
    {.name = "--expiration-date",
     .letter = "-E",
     .metavar = "DATE",
     .help = "When the organization expires: YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SS with Z, +HH:MM or "
             "nothing (UTC) at the end."},
});

constexpr auto run_groups = std::to_array<OptionGroup>({
    {"Network", listening},
    {"Storage", storage},
    {"Organizations", organizations},
    {"Mail", mail},
    {"Monitoring", monitoring},
    {"Logs and development", logs},
    {"Capacity", capacity},
});
constexpr auto migrate_groups = std::to_array<OptionGroup>({{"Options", migrate}});
constexpr auto core_groups = std::to_array<OptionGroup>({{"Options", core}});
constexpr auto create_groups =
    std::to_array<OptionGroup>({{"Options", core}, {"Organization", expiration}});

}  // namespace

std::span<const OptionGroup> backend_run_options() { return run_groups; }
std::span<const OptionGroup> backend_migrate_options() { return migrate_groups; }
std::span<const OptionGroup> core_options() { return core_groups; }
std::span<const OptionGroup> core_create_organization_options() { return create_groups; }

const Option* find_option(std::span<const OptionGroup> groups, std::string_view name) {
  for (const OptionGroup& group : groups) {
    const auto found = std::ranges::find(group.options, name, &Option::name);
    if (found != group.options.end()) return &*found;
  }
  return nullptr;
}

Environment process_environment() {
  return [](std::string_view variable) -> std::optional<std::string> {
    const char* value = std::getenv(std::string{variable}.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

void OptionValues::give_if_absent(std::string_view name, std::string text,
                                  std::string_view source) {
  if (find(name) == nullptr) give(name, {{std::move(text)}, std::string{source}});
}

void OptionValues::add_environment(std::span<const OptionGroup> groups,
                                   const Environment& environment) {
  for (const OptionGroup& group : groups) {
    for (const Option& option : group.options) {
      if (option.variable.empty() || find(option.name) != nullptr) continue;
      const std::optional<std::string> value = environment(option.variable);
      if (!value || value->empty()) continue;
      Given given{{}, std::string{option.variable}};
      if (option.repeatable) {
        std::istringstream words{*value};
        for (std::string word; words >> word;) given.texts.push_back(word);
        if (given.texts.empty()) continue;
      } else {
        given.texts.push_back(*value);
      }
      give(option.name, std::move(given));
    }
  }
}

const OptionValues::Given* OptionValues::find(std::string_view name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? nullptr : &found->second;
}

}  // namespace parsec::app
