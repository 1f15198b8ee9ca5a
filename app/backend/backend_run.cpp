#include "app/backend/backend_run.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "app/backend/logging.h"
#include "app/command_line/proxy_settings.h"
#include "app/command_line/version.h"
#include "app/delivery/outbox.h"
#include "app/monitoring/monitor.h"
#include "app/monitoring/monitoring_listener.h"
#include "app/process/process_user.h"
#include "app/process/stop_signals.h"
#include "db/blocks/block_stores.h"
#include "db/database.h"
#include "engine/host/host_resources.h"
#include "engine/host/log.h"
#include "engine/host/memory_budget.h"
#include "engine/shard/shard_thread.h"
#include "engine/tls/tls_context.h"
#include "engine/tls/tls_layer.h"
#include "protocol/events/claimer_counts.h"
#include "protocol/events/event_bus.h"
#include "protocol/session/service.h"
#include "protocol/session/settings.h"

namespace parsec::app {
namespace {

using Failure = std::unexpected<std::string>;

/// Of the whole process.
std::uint32_t max_connections(const Configuration& configuration) {
  if (configuration.max_connections != 0) return configuration.max_connections;
  constexpr std::uint64_t reserve = 512;  // database connections, listening sockets, files, wakers
  constexpr std::uint64_t most = 1'000'000;
  const std::uint64_t files = engine::raise_open_files_limit();
  return static_cast<std::uint32_t>(std::clamp(files, reserve + 1, reserve + most) - reserve);
}

/// Half is left to the rest of this process, the system, and a PostgreSQL beside it.
std::size_t memory_limit(const Configuration& configuration) {
  if (configuration.memory_limit != 0) return configuration.memory_limit;
  constexpr std::uint64_t unknown = std::uint64_t{2} << 30;
  return engine::usable_memory().value_or(unknown) / 2;
}

/// Each shard's part of what is set for the process: the kernel deals connections out to the
/// shards.
std::uint32_t share(std::uint32_t total, std::uint32_t shards) {
  return (total + shards - 1) / shards;
}

protocol::Settings protocol_settings(const Configuration& configuration, const Monitor& monitor,
                                     std::uint32_t shards) {
  protocol::Settings settings;
  settings.health = &monitor;
  settings.administration_token = configuration.administration_token;
  settings.spontaneous_organization_bootstrap = configuration.spontaneous_organization_bootstrap;
  settings.backend_address = configuration.backend_addr;
  // What comes over our own TLS came over https, whatever a header says.
  if (configuration.ssl_certfile.empty()) settings.forwarded_proto = configuration.forwarded_proto;
  if (configuration.debug) settings.server_name = "parsec/" + std::string{version};
  settings.head_timeout = configuration.head_timeout;
  settings.handshake_timeout = configuration.handshake_timeout;
  settings.anonymous_timeout = configuration.anonymous_timeout;
  settings.claim_timeout = configuration.claim_timeout;
  const std::uint32_t strangers = configuration.max_strangers != 0
                                      ? configuration.max_strangers
                                      : std::max(1U, max_connections(configuration) / 4);
  settings.max_strangers = share(strangers, shards);
  if (configuration.max_strangers_of_an_address != 0) {
    settings.max_strangers_of_an_address = share(configuration.max_strangers_of_an_address, shards);
  }
  settings.max_message_bytes = configuration.max_message_bytes;
  settings.slow_request = configuration.monitoring.slow_request;
  settings.max_waiting_events = configuration.max_waiting_events;
  settings.output_high_water = engine::Limits{}.output_high_water;
  return settings;
}

OutboxOptions outbox_options(const Configuration& configuration) {
  OutboxOptions options;
  const MailConfiguration& mail = configuration.mail;
  options.origin = {mail.sender, configuration.backend_addr};
  if (!mail.mocked()) {
    using Security = SmtpServer::Security;
    options.smtp = SmtpServer{
        .host = mail.host, .port = mail.port, .user = mail.user, .password = mail.password};
    options.smtp->hello_name = mail.hello_name;
    options.smtp->security = mail.use_ssl   ? Security::tls
                             : mail.use_tls ? Security::starttls
                                            : Security::plain;
  }
  if (!configuration.organization_bootstrap_webhook.empty()) {
    options.webhook = Webhook{.url = configuration.organization_bootstrap_webhook};
  }
  return options;
}

engine::ShardThreadsOptions shard_options(const Configuration& configuration,
                                          std::uint32_t shards) {
  engine::ShardThreadsOptions options;
  options.address.host = configuration.host;
  options.address.port = configuration.port;
  options.shards = shards;
  options.pin = configuration.pin_threads;
  options.limits.connections = share(max_connections(configuration), shards);
  options.limits.shutdown_grace = configuration.shutdown_timeout;
  options.uring.best_tier = configuration.best_ring_tier;
  return options;
}

/// Of which memory may allow fewer.
std::uint32_t wanted_shards(const Configuration& configuration) {
  if (configuration.shards != 0) return configuration.shards;
  return engine::usable_processors(static_cast<std::uint32_t>(engine::allowed_processors().size()));
}

/// What may need root: first, alone.
std::expected<engine::ListeningSockets, std::string> bind_sockets(
    const Configuration& configuration) {
  const auto shards = wanted_shards(configuration);
  const engine::ShardThreadsOptions options = shard_options(configuration, shards);
  return engine::ListeningSockets::bind(options.address, shards, options.limits);
}

/// Before anything else is started: it decides how many shards there are. May need root, too:
/// where little memory may be locked, or io_uring is not for everybody (kernel.io_uring_disabled).
std::expected<engine::RingSet, std::string> set_up_rings(const Configuration& configuration) {
  const std::uint32_t wanted = wanted_shards(configuration);
  const engine::ShardThreadsOptions options = shard_options(configuration, wanted);
  if (auto valid = engine::validate(options.limits); !valid) return Failure{valid.error()};
  return engine::set_up_rings(wanted, options.limits, options.uring);
}

/// Null: plain TCP.
std::expected<std::unique_ptr<engine::TlsContext>, std::string> load_tls(
    const Configuration& configuration) {
  if (configuration.ssl_certfile.empty()) return nullptr;
  return engine::TlsContext::load(
      {.certificate_chain = configuration.ssl_certfile, .private_key = configuration.ssl_keyfile});
}

/// The running server. Members are in the order of their start: each may use those above it, and
/// the destructor goes the way back.
class Backend {
 public:
  /// sockets: bound. Where there are none yet, they are when everything else has started.
  static std::expected<std::unique_ptr<Backend>, std::string> start(
      const Configuration& configuration, const Monitor& monitor, engine::RingSet rings,
      std::optional<engine::ListeningSockets> sockets) {
    std::unique_ptr<Backend> backend{
        new Backend{configuration, monitor, static_cast<std::uint32_t>(rings.rings.size())}};
    auto tls = load_tls(configuration);
    if (!tls) return Failure{std::move(tls.error())};
    backend->tls_ = std::move(*tls);
    db::BlockStoreSettings block_settings = configuration.block_store_settings;
    block_settings.shards = backend->shard_count_;
    auto blocks = db::BlockStores::open(configuration.block_store, block_settings);
    if (!blocks) return Failure{std::move(blocks.error())};
    backend->blocks_ = std::move(*blocks);
    if (auto started = backend->start_database(configuration); !started) {
      return Failure{std::move(started.error())};
    }
    backend->outbox_.emplace(outbox_options(configuration));
    if (auto started = backend->start_shards(configuration, std::move(rings), std::move(sockets));
        !started) {
      return Failure{std::move(started.error())};
    }
    return backend;
  }

  /// Requests under way are answered first: the database is the last to go.
  ~Backend() {
    if (blocks_) blocks_->stop();
    shards_.reset();
    if (database_) database_->stop();
  }
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  /// No more clients; those that are there are seen off, and what they had sent is delivered, each
  /// within the configured time.
  void stop() {
    shards_->stop();
    shards_->join();
    outbox_->stop(shutdown_timeout_);
    blocks_->stop();
    database_->stop();
  }

  bool uses_tls() const { return tls_ != nullptr; }
  /// New connections get the certificate that the files hold now; unless they are unusable.
  void renew_certificate() {
    if (const auto renewed = tls_->reload(); !renewed) {
      log::error("The TLS certificate could not be read again",
                 "{}. The certificate that was loaded before stays in use",
                 log::field("reason", renewed.error()));
      return;
    }
    log::warn("The TLS certificate was read again");
  }

  MonitoredParts parts() const {
    return {.shards = shards_.get(),
            .database = database_.get(),
            .blocks = blocks_.get(),
            .outbox = &*outbox_,
            .events = &events_,
            .memory = &memory_,
            .counts = counts_,
            .tls = tls_.get(),
            .tls_counts = tls_counts_};
  }

  const std::string& ring_description() const { return shards_->ring_description(); }

  std::string dump() const {
    std::string text = database_->dump() + blocks_->dump() + outbox_->dump();
    text += "memory: held=" + std::to_string(memory_.used()) +
            " limit=" + std::to_string(memory_.limit()) + "\n";
    for (std::uint32_t i = 0; i < shards_->size(); ++i) {
      const engine::Counters& counters = shards_->counters(engine::ShardIndex{i});
      text +=
          "shard " + std::to_string(i) + ": connections=" + std::to_string(counters.connections());
      counters.for_each([&](std::string_view name, auto value) {
        text += " " + std::string{name} + "=" + std::to_string(value);
      });
      text += "\n";
    }
    return text;
  }

 private:
  Backend(const Configuration& configuration, const Monitor& monitor, std::uint32_t shard_count)
      : shard_count_(shard_count),
        shutdown_timeout_(configuration.shutdown_timeout),
        settings_(protocol_settings(configuration, monitor, shard_count_)),
        events_(shard_count_),
        memory_(memory_limit(configuration), shard_count_) {
    for (std::uint32_t i = 0; i < shard_count_; ++i) {
      counts_.push_back(std::make_unique<protocol::Counts>());
      tls_counts_.push_back(std::make_unique<engine::TlsCounts>());
    }
  }

  std::expected<void, std::string> start_database(const Configuration& configuration) {
    db::Settings settings = configuration.database;
    settings.shards = shard_count_;
    settings.memory = &memory_;
    auto database = db::Database::start(settings, events_);
    if (!database) return Failure{std::move(database.error())};
    database_ = std::move(*database);
    for (std::uint32_t i = 0; i < shard_count_; ++i) {
      shard_blocks_.push_back(blocks_->for_shard(i, database_->gateway(i)));
    }
    return {};
  }

  std::expected<void, std::string> start_shards(const Configuration& configuration,
                                                engine::RingSet rings,
                                                std::optional<engine::ListeningSockets> sockets) {
    if (!sockets) {
      auto bound = bind_sockets(configuration);
      if (!bound) return Failure{std::move(bound.error())};
      sockets.emplace(std::move(*bound));
    }
    rings.limits.connections = share(max_connections(configuration), shard_count_);
    const auto make_handler = [this, limits = rings.limits](
                                  engine::ShardIndex index, engine::Transport& transport,
                                  engine::Waker& waker) -> std::unique_ptr<engine::Handler> {
      const auto shard = static_cast<std::uint32_t>(index);
      const auto make_service = [&](engine::Transport& plain) {
        return std::make_unique<protocol::Service>(
            settings_, plain, database_->gateway(shard), *shard_blocks_[shard],
            events_.inbox(shard), *outbox_, claimers_, memory_, *counts_[shard], shard);
      };
      events_.set_waker(shard, &waker);
      memory_.set_waker(shard, &waker);
      database_->set_waker(shard, &waker);
      blocks_->set_waker(shard, &waker);
      if (!tls_) return make_service(transport);
      auto layer =
          std::make_unique<engine::TlsLayer>(transport, *tls_, limits, shard, make_service);
      layer->count_in(*tls_counts_[shard]);
      return layer;
    };
    auto shards = engine::ShardThreads::start(shard_options(configuration, shard_count_),
                                              std::move(rings), std::move(*sockets), make_handler);
    if (!shards) {
      forget_wakers();
      return Failure{std::move(shards.error())};
    }
    shards_ = std::move(*shards);
    return {};
  }

  /// The shards' Wakers are about to go.
  void forget_wakers() {
    for (std::uint32_t i = 0; i < shard_count_; ++i) {
      events_.set_waker(i, nullptr);
      memory_.set_waker(i, nullptr);
      database_->set_waker(i, nullptr);
      blocks_->set_waker(i, nullptr);
    }
  }

  const std::uint32_t shard_count_;
  const std::chrono::milliseconds shutdown_timeout_;
  const protocol::Settings settings_;
  protocol::EventBus events_;
  protocol::ClaimerCounts claimers_;
  engine::MemoryBudget memory_;
  std::vector<std::unique_ptr<protocol::Counts>> counts_;       // by shard
  std::vector<std::unique_ptr<engine::TlsCounts>> tls_counts_;  // by shard
  std::unique_ptr<engine::TlsContext> tls_;                     // null: plain TCP
  std::unique_ptr<db::BlockStores> blocks_;
  std::unique_ptr<db::Database> database_;
  std::optional<DeliveringOutbox> outbox_;
  std::vector<std::unique_ptr<db::BlockStore>> shard_blocks_;
  std::unique_ptr<engine::ShardThreads> shards_;
};

/// Before it becomes another user. None: no --metrics-listen.
std::expected<std::optional<engine::ListeningSockets>, std::string> bind_monitoring(
    const MonitoringConfiguration& monitoring) {
  if (monitoring.port == 0) return std::nullopt;
  auto bound = engine::ListeningSockets::bind({.host = monitoring.host, .port = monitoring.port}, 1,
                                              engine::Limits{});
  if (!bound) return Failure{"--metrics-listen: " + bound.error()};
  return std::move(*bound);
}

void warn_of_open_metrics(const MonitoringConfiguration& monitoring) {
  const std::string& host = monitoring.host;
  const bool is_local = host.starts_with("127.") || host == "::1" || host == "localhost";
  if (monitoring.port == 0 || is_local || !monitoring.token.empty()) return;
  log::warn("Metrics are open to everybody",
            "Metrics are open to everybody who reaches {}: consider --metrics-token",
            log::field("host", host));
}

int fail(const std::string& why) {
  std::fprintf(stderr, "Error: %s\n", why.c_str());
  return 1;
}

void print_start_line(const Configuration& configuration) {
  const bool is_ipv6 = configuration.host.find(':') != std::string::npos;
  std::printf("Starting Parsec Backend on %s%s%s:%u (%s max_connections=%u)\n", is_ipv6 ? "[" : "",
              configuration.host.c_str(), is_ipv6 ? "]" : "", unsigned{configuration.port},
              configuration.description().c_str(), max_connections(configuration));
  std::fflush(stdout);
}

void serve_until_stopped(Backend& backend, StopSignals& signals, Logging& logging) {
  for (;;) {
    switch (signals.wait()) {
      case StopSignals::Request::stop:
        return;
      case StopSignals::Request::dump_state:
        std::fputs(backend.dump().c_str(), stderr);
        break;
      case StopSignals::Request::reopen:
        logging.reopen();
        if (backend.uses_tls()) backend.renew_certificate();
    }
  }
}

}  // namespace

int run_backend(const Configuration& configuration) {
  std::optional<engine::ListeningSockets> sockets;
  if (!configuration.user.empty()) {
    auto bound = bind_sockets(configuration);
    if (!bound) return fail(bound.error());
    sockets.emplace(std::move(*bound));
  }
  auto monitoring_sockets = bind_monitoring(configuration.monitoring);
  if (!monitoring_sockets) return fail(monitoring_sockets.error());
  auto rings = set_up_rings(configuration);
  if (!rings) return fail(rings.error());
  if (!configuration.user.empty()) {
    if (auto become = become_user(configuration.user); !become) return fail(become.error());
  }
  StopSignals signals;
  auto logging = Logging::start(configuration.log);
  if (!logging) return fail(logging.error());
  if (const auto complaint = complaint_about_proxies(process_environment())) {
    return fail(*complaint);
  }
  if (configuration.sentry_url_given) {
    std::fputs("Note: --sentry-url has no effect: this server does not report to Sentry.\n",
               stderr);
  }

  if (is_root() && !configuration.dev) {
    log::warn("The server runs as root",
              "The server runs as root, which it need not: consider --user, or a service manager");
  }
  const MailConfiguration& mail = configuration.mail;
  if (!mail.mocked() && !mail.user.empty() && !mail.use_ssl && !mail.use_tls) {
    log::warn("The mail server's password is unprotected",
              "The mail server's password goes over the network unprotected: consider "
              "--email-use-tls or --email-use-ssl");
  }

  warn_of_open_metrics(configuration.monitoring);
  Monitor monitor{configuration.monitoring.hung_after};
  std::unique_ptr<MonitoringListener> listener;
  if (*monitoring_sockets) {
    auto started = MonitoringListener::start(std::move(**monitoring_sockets), monitor,
                                             configuration.monitoring.token);
    if (!started) return fail("--metrics-listen: " + started.error());
    listener = std::move(*started);
  }
  auto backend = Backend::start(configuration, monitor, std::move(*rings), std::move(sockets));
  if (!backend) return fail(backend.error());
  monitor.attach((*backend)->parts());
  signals.hold();
  log::info("Serving", "Serving on {}:{} {} with {}", log::field("host", configuration.host),
            log::field("port", configuration.port),
            log::field("transport", (*backend)->uses_tls() ? "over TLS" : "without TLS"),
            log::field("ring", (*backend)->ring_description()));
  print_start_line(configuration);

  serve_until_stopped(**backend, signals, *logging);
  signals.release();
  log::info("Stopping");
  monitor.note_stopping();
  std::this_thread::sleep_for(configuration.monitoring.drain_time);
  (*backend)->stop();
  monitor.detach();
  return 0;
}

}  // namespace parsec::app
