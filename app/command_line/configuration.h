// The server's configuration: every option of `parsec backend run` with its type, its default and
// its checks done. Whatever is wrong is known before anything starts.
//
// Holds secrets (administration token, passwords): description() is what may be printed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "app/command_line/options.h"
#include "db/blocks/block_store_config.h"
#include "db/blocks/block_stores.h"
#include "db/driver/settings.h"
#include "engine/ring/uring_ring.h"
#include "protocol/http/forwarded_proto.h"
#include "protocol/mail/mailbox.h"
#include "protocol/types/address.h"

namespace parsec::app {

/// What is wrong with the command line or the environment; names the option. Exit code 2.
struct UsageError {
  std::string message;
};

struct MailConfiguration {
  std::string host;  // MOCKED: into files
  std::uint16_t port = 0;
  std::string user;
  std::string password;
  bool use_ssl = false;
  bool use_tls = false;
  protocol::Mailbox sender;
  std::string hello_name;  // empty: this machine's own

  bool mocked() const { return host == "MOCKED"; }
  std::string description() const;
};

struct MonitoringConfiguration {
  std::string host;        // of the listener
  std::uint16_t port = 0;  // 0: there is none
  std::string token;       // empty: metrics are open
  std::chrono::milliseconds hung_after{};
  std::chrono::milliseconds drain_time{};
  std::chrono::milliseconds slow_request{};  // 0: none is told
};

struct LogConfiguration {
  enum class Level : std::uint8_t { debug, info, warning, error, critical };
  enum class Format : std::uint8_t { console, json };

  Level level = Level::warning;
  Format format = Format::console;
  std::string file;    // empty: stderr
  std::string filter;  // a regular expression that compiles, or empty
};

struct Configuration {
  std::string host;
  std::uint16_t port = 0;
  protocol::BackendAddress backend_addr;
  std::optional<protocol::ForwardedProto> forwarded_proto;
  std::string ssl_keyfile, ssl_certfile;

  db::Settings database;  // all but `shards`
  db::BlockStoreConfig block_store;
  db::BlockStoreSettings block_store_settings;  // all but `shards`

  std::string administration_token;
  bool spontaneous_organization_bootstrap = false;
  std::string organization_bootstrap_webhook;

  MailConfiguration mail;
  MonitoringConfiguration monitoring;
  LogConfiguration log;
  std::string user;  // whom to become, which is possible; empty: nobody else
  bool sentry_url_given = false;
  bool debug = false;
  bool dev = false;

  std::uint32_t shards = 0;  // 0: one for each core
  bool pin_threads = false;
  engine::UringTier best_ring_tier{};
  std::uint32_t max_connections = 0;              // of all shards; 0: as open files allow
  std::uint32_t max_strangers = 0;                // of all shards; 0: a quarter of the connections
  std::uint32_t max_strangers_of_an_address = 0;  // of all shards; 0: no limit
  std::size_t memory_limit = 0;                   // 0: half of what there is
  std::size_t max_message_bytes = 0;
  std::size_t max_waiting_events = 0;
  std::chrono::milliseconds head_timeout{};
  std::chrono::milliseconds handshake_timeout{};
  std::chrono::milliseconds anonymous_timeout{};
  std::chrono::milliseconds claim_timeout{};
  std::chrono::milliseconds shutdown_timeout{};

  /// values: what was given on the command line and in the environment.
  static std::expected<Configuration, UsageError> from(OptionValues values);

  /// `db=… blockstore=… backend_addr=… email_config=…`, without any secret.
  std::string description() const;
};

/// `--db` alone, as `parsec backend migrate` takes it.
std::expected<db::Target, UsageError> database_from(const OptionValues& values);

}  // namespace parsec::app
