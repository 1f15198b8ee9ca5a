#include "app/monitoring/metrics.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>

#include "app/command_line/version.h"
#include "app/monitoring/process_usage.h"

namespace parsec::app {
namespace {

using engine::Counter;
using engine::DurationSums;
using engine::Exposition;
using engine::Metric;
using engine::MetricType;
using engine::ShardIndex;
using protocol::Counts;

/// One scrape: what several metrics need is looked at once.
struct Scrape {
  const MetricSources& sources;
  const ProcessUsage process = ProcessUsage::read();
  const MonitoredParts* parts = sources.parts;
  const db::DatabaseState database =
      parts != nullptr ? parts->database->state() : db::DatabaseState{};

  template <class Read>
  std::uint64_t sum(Read read) const {
    std::uint64_t all = 0;
    for (const auto& counts : parts->counts) all += read(*counts).get();
    return all;
  }
  std::uint64_t sum_of_shards(engine::Count count) const {
    std::uint64_t all = 0;
    for (std::uint32_t i = 0; i < parts->shards->size(); ++i) {
      all += parts->shards->counters(ShardIndex{i}).get(count);
    }
    return all;
  }
};

/// Of every shard, by the name of its thread.
template <class Read>
void each_shard(Exposition& out, const Scrape& scrape, Read read) {
  for (std::uint32_t i = 0; i < scrape.parts->shards->size(); ++i) {
    out.sample({"shard_" + std::to_string(i)}, read(ShardIndex{i}));
  }
}

void shard_counts(Exposition& out, const Scrape& scrape, engine::Count count) {
  each_shard(out, scrape,
             [&](ShardIndex shard) { return scrape.parts->shards->counters(shard).get(count); });
}

/// Commands by name, over all kinds of connections and shards; those that nobody asked for are not
/// told of.
struct CommandSums {
  std::array<std::uint64_t, protocol::counted_statuses.size()> statuses{};
  DurationSums duration;
  DurationSums database_wait;
};

std::map<std::string_view, CommandSums> commands(const Scrape& scrape) {
  std::map<std::string_view, CommandSums> sums;
  for (const auto& counts : scrape.parts->counts) {
    counts->for_each_command([&](std::string_view name, const protocol::CommandCounts& command) {
      CommandSums& one = sums[name];
      for (std::size_t i = 0; i < one.statuses.size(); ++i) {
        one.statuses[i] += command.statuses[i].get();
      }
      one.duration += command.duration.sums();
      one.database_wait += command.database_wait.sums();
    });
  }
  return sums;
}

void command_durations(Exposition& out, const Scrape& scrape, DurationSums CommandSums::*which) {
  for (const auto& [name, sums] : commands(scrape)) {
    if ((sums.*which).count() > 0) out.sample({name}, sums.*which);
  }
}

struct BlockSums {
  std::array<std::uint64_t, db::block_outcomes> outcomes{};
  DurationSums duration;
  std::uint64_t bytes = 0;
};

/// visit(store, operation, sums) for each.
void each_block_operation(
    const Scrape& scrape,
    const std::function<void(std::string_view, db::BlockJob::Kind, const BlockSums&)>& visit) {
  std::map<std::string, std::array<BlockSums, db::block_operations>> stores;
  scrape.parts->blocks->visit_counts(
      [&](const std::string& store, const db::BlockStoreCounts& counts) {
        auto& operations = stores[store];
        for (std::size_t i = 0; i < operations.size(); ++i) {
          const auto& counted = counts.operations[i];
          for (std::size_t outcome = 0; outcome < db::block_outcomes; ++outcome) {
            operations[i].outcomes[outcome] += counted.outcomes[outcome].get();
          }
          operations[i].duration += counted.duration.sums();
          operations[i].bytes += counted.bytes.get();
        }
      });
  for (const auto& [store, operations] : stores) {
    for (std::size_t i = 0; i < operations.size(); ++i) {
      visit(store, static_cast<db::BlockJob::Kind>(i), operations[i]);
    }
  }
}

/// visit(number of the worker, worker) for each.
template <class Visit>
void each_worker(const Scrape& scrape, Visit visit) {
  for (std::size_t i = 0; i < scrape.database.workers.size(); ++i) {
    visit(std::to_string(i), scrape.database.workers[i]);
  }
}

void worker_counts(Exposition& out, const Scrape& scrape, db::Count count) {
  each_worker(scrape, [&](const std::string& number, const auto& worker) {
    out.sample({number}, worker.counts[static_cast<std::size_t>(count)]);
  });
}

void traffic(Exposition& out, const Scrape& scrape, engine::Count http, engine::Count websocket) {
  out.sample({"http"}, scrape.sum_of_shards(http));
  out.sample({"websocket"}, scrape.sum_of_shards(websocket));
}

/// Answered HTTP requests, upgrades included.
std::uint64_t http_requests(const Scrape& scrape) {
  std::uint64_t all = 0;
  for (const auto& counts : scrape.parts->counts) {
    for (const auto& codes : counts->http_requests) {
      for (const Counter& counter : codes) all += counter.get();
    }
  }
  return all;
}

void deliveries(Exposition& out, const DeliveryCounts& counts) {
  out.sample({"delivered"}, counts.delivered.load());
  out.sample({"failed"}, counts.failed.load());
}

std::uint64_t as_gauge(bool holds) { return holds ? 1 : 0; }

struct Row {
  Metric metric;
  /// Its samples. Of most metrics only when the parts are there.
  void (*collect)(Exposition& out, const Scrape& scrape);
  bool always = false;
};

constexpr MetricType counter = MetricType::counter;
constexpr MetricType gauge = MetricType::gauge;
constexpr MetricType histogram = MetricType::histogram;

constexpr auto rows = std::to_array<Row>({
    // --- The program
    {{"parsec_build_info", gauge, "1; what is running.", {"version"}},
     [](Exposition& out, const Scrape&) { out.sample({version}, std::uint64_t{1}); },
     true},
    {{"process_start_time_seconds", gauge, "When the process began, since 1970.", {}},
     [](Exposition& out, const Scrape& scrape) { out.sample({}, scrape.process.start_time); },
     true},
    {{"process_cpu_seconds_total", counter, "Processor time, user and system.", {}},
     [](Exposition& out, const Scrape& scrape) { out.sample({}, scrape.process.cpu_seconds); },
     true},
    {{"process_resident_memory_bytes", gauge, "Memory that is resident.", {}},
     [](Exposition& out, const Scrape& scrape) { out.sample({}, scrape.process.resident_bytes); },
     true},
    {{"process_open_fds", gauge, "Open file descriptors.", {}},
     [](Exposition& out, const Scrape& scrape) { out.sample({}, scrape.process.open_files); },
     true},
    {{"process_max_fds", gauge, "File descriptors that may be open.", {}},
     [](Exposition& out, const Scrape& scrape) { out.sample({}, scrape.process.most_open_files); },
     true},

    // --- Health
    {{"parsec_ready", gauge, "1: /ready answers 200.", {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({}, as_gauge(scrape.sources.readiness.reasons.empty()));
     },
     true},
    {{"parsec_not_ready", gauge, "1: a reason for which /ready does not answer 200.", {"reason"}},
     [](Exposition& out, const Scrape& scrape) {
       for (const std::string_view code : readiness_codes) {
         const auto& reasons = scrape.sources.readiness.reasons;
         out.sample({code}, as_gauge(std::ranges::find(reasons, code) != reasons.end()));
       }
     },
     true},
    {{"parsec_stalled_threads", gauge, "Threads for which /health does not answer 200.", {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({}, std::uint64_t{scrape.sources.stalled});
     },
     true},
    {{"parsec_memory_held_bytes", gauge, "What all clients hold (see --memory-limit).", {}},
     [](Exposition& out, const Scrape& scrape) {
       const std::int64_t held = scrape.parts->memory->used();
       out.sample({}, static_cast<std::uint64_t>(std::max<std::int64_t>(held, 0)));
     }},
    {{"parsec_memory_limit_bytes", gauge, "What all clients may hold.", {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({}, std::uint64_t{scrape.parts->memory->limit()});
     }},

    // --- Connections
    {{"parsec_connections", gauge, "Connections of clients.", {"kind"}},
     [](Exposition& out, const Scrape& scrape) {
       for (std::size_t i = 0; i < protocol::connection_uses; ++i) {
         out.sample({name(static_cast<protocol::ConnectionUse>(i))},
                    scrape.sum([i](const Counts& counts) -> auto& { return counts.there[i]; }));
       }
     }},
    {{"parsec_connections_opened_total",
      counter,
      "Connections that became of that kind; each begins as http.",
      {"kind"}},
     [](Exposition& out, const Scrape& scrape) {
       for (std::size_t i = 0; i < protocol::connection_uses; ++i) {
         out.sample({name(static_cast<protocol::ConnectionUse>(i))},
                    scrape.sum([i](const Counts& counts) -> auto& { return counts.opened[i]; }));
       }
     }},
    {{"parsec_connections_closed_total",
      counter,
      "Connections that ended, and why.",
      {"kind", "reason"}},
     [](Exposition& out, const Scrape& scrape) {
       for (std::size_t i = 0; i < protocol::connection_uses; ++i) {
         for (std::size_t j = 0; j < protocol::end_reasons; ++j) {
           out.sample(
               {name(static_cast<protocol::ConnectionUse>(i)),
                name(static_cast<protocol::EndReason>(j))},
               scrape.sum([ i, j ](const Counts& counts) -> auto& { return counts.closed[i][j]; }));
         }
       }
     }},
    {{"parsec_handshakes_total", counter, "Results of handshakes.", {"api_major", "result"}},
     [](Exposition& out, const Scrape& scrape) {
       for (std::size_t i = 0; i < protocol::counted_versions.size(); ++i) {
         for (std::size_t j = 0; j < protocol::counted_results.size(); ++j) {
           out.sample({protocol::counted_versions[i], protocol::counted_results[j]},
                      scrape.sum([ i, j ](const Counts& counts) -> auto& {
                        return counts.handshakes[i][j];
                      }));
         }
       }
     }},
    {{"parsec_received_bytes_total",
      counter,
      "Bytes from clients, as they are on the wire.",
      {"transport"}},
     [](Exposition& out, const Scrape& scrape) {
       traffic(out, scrape, engine::Count::first_received_bytes,
               engine::Count::upgraded_received_bytes);
     }},
    {{"parsec_sent_bytes_total",
      counter,
      "Bytes to clients, as they are on the wire.",
      {"transport"}},
     [](Exposition& out, const Scrape& scrape) {
       traffic(out, scrape, engine::Count::first_sent_bytes, engine::Count::upgraded_sent_bytes);
     }},
    {{"parsec_received_messages_total",
      counter,
      "HTTP requests, WebSocket messages.",
      {"transport"}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({"http"}, http_requests(scrape));
       out.sample({"websocket"}, scrape.sum([](const Counts& counts) -> auto& {
         return counts.received_messages;
       }));
     }},
    {{"parsec_sent_messages_total", counter, "HTTP answers, WebSocket messages.", {"transport"}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({"http"}, http_requests(scrape));
       out.sample({"websocket"},
                  scrape.sum([](const Counts& counts) -> auto& { return counts.sent_messages; }));
     }},
    {{"parsec_tls_handshakes_total", counter, "TLS handshakes.", {"outcome"}},
     [](Exposition& out, const Scrape& scrape) {
       std::array<std::uint64_t, 3> sums{};
       for (const auto& counts : scrape.parts->tls_counts) {
         sums[0] += counts->ok.get();
         sums[1] += counts->failed.get();
         sums[2] += counts->aborted.get();
       }
       out.sample({"ok"}, sums[0]);
       out.sample({"failed"}, sums[1]);
       out.sample({"aborted"}, sums[2]);
     }},
    {{"parsec_tls_handshake_duration_seconds",
      histogram,
      "From the connection's beginning to the end of its TLS handshake.",
      {}},
     [](Exposition& out, const Scrape& scrape) {
       DurationSums sums;
       for (const auto& counts : scrape.parts->tls_counts) sums += counts->duration.sums();
       out.sample({}, sums);
     }},
    {{"parsec_tls_certificate_not_after_seconds",
      gauge,
      "When the certificate ends that new connections get, since 1970.",
      {}},
     [](Exposition& out, const Scrape& scrape) {
       if (scrape.parts->tls == nullptr) return;
       out.sample({}, static_cast<double>(scrape.parts->tls->not_after()));
     }},

    // --- Requests
    {{"parsec_requests_total", counter, "Requests that were answered.", {"command", "status"}},
     [](Exposition& out, const Scrape& scrape) {
       for (const auto& [name, sums] : commands(scrape)) {
         for (std::size_t i = 0; i < sums.statuses.size(); ++i) {
           if (sums.statuses[i] == 0 && i != 0) continue;
           out.sample({name, protocol::counted_statuses[i]}, sums.statuses[i]);
         }
       }
     }},
    {{"parsec_request_duration_seconds",
      histogram,
      "From a request to its answer, without those that wait for somebody else.",
      {"command"}},
     [](Exposition& out, const Scrape& scrape) {
       command_durations(out, scrape, &CommandSums::duration);
     }},
    {{"parsec_request_database_wait_seconds",
      histogram,
      "Of that, the time in queues for the database.",
      {"command"}},
     [](Exposition& out, const Scrape& scrape) {
       command_durations(out, scrape, &CommandSums::database_wait);
     }},
    {{"parsec_http_requests_total",
      counter,
      "HTTP requests that were answered.",
      {"route", "code"}},
     [](Exposition& out, const Scrape& scrape) {
       for (std::size_t i = 0; i < protocol::counted_routes.size(); ++i) {
         for (std::size_t j = 0; j < protocol::counted_codes.size(); ++j) {
           const std::uint64_t sum = scrape.sum(
               [ i, j ](const Counts& counts) -> auto& { return counts.http_requests[i][j]; });
           const int code = protocol::counted_codes[j];
           if (sum == 0 && code != 200) continue;
           out.sample({protocol::counted_routes[i], code == 0 ? "other" : std::to_string(code)},
                      sum);
         }
       }
     }},

    // --- Events
    {{"parsec_events_delivered_total", counter, "Events that clients were given.", {"event"}},
     [](Exposition& out, const Scrape& scrape) {
       for (std::size_t i = 0; i < protocol::event_signals; ++i) {
         out.sample({protocol::signal_name(i)}, scrape.sum([i](const Counts& counts) -> auto& {
           return counts.delivered_events[i];
         }));
       }
     }},
    {{"parsec_event_queue_overflows_total",
      counter,
      "Connections that ended since too many events waited for them.",
      {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({},
                  scrape.sum([](const Counts& counts) -> auto& { return counts.event_overflows; }));
     }},
    {{"parsec_subscriptions", gauge, "Connections that get events.", {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({},
                  scrape.sum([](const Counts& counts) -> auto& { return counts.subscriptions; }));
     }},
    {{"parsec_notifications_total",
      counter,
      "Notifications of the database that were heard.",
      {"signal"}},
     [](Exposition& out, const Scrape& scrape) {
       for (std::size_t i = 0; i < protocol::event_signals; ++i) {
         out.sample({protocol::signal_name(i)},
                    scrape.parts->events->counts().notifications[i].get());
       }
     }},
    {{"parsec_notifications_invalid_total", counter, "Notifications that could not be read.", {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({}, scrape.parts->events->counts().invalid.get());
     }},
    {{"parsec_listen_up", gauge, "1: the database's notifications are listened to.", {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({}, as_gauge(scrape.database.is_listening));
     }},
    {{"parsec_listen_gaps_total",
      counter,
      "Times in which notifications may have been missed.",
      {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({}, scrape.parts->events->counts().gaps.get());
     }},

    // --- The database
    {{"parsec_database_level", gauge, "The schema's number.", {}},
     [](Exposition& out, const Scrape& scrape) {
       out.sample({}, static_cast<std::uint64_t>(scrape.database.level));
     }},
    {{"parsec_database_up", gauge, "1: the database answers.", {}},
     [](Exposition& out, const Scrape& scrape) {
       const auto& reasons = scrape.sources.readiness.reasons;
       out.sample({},
                  as_gauge(std::ranges::find(reasons, "database_unreachable") == reasons.end()));
     }},
    {{"parsec_database_connections",
      gauge,
      "1: the state of a connection to the database; of one that is not wanted now, none.",
      {"lane", "state"}},
     [](Exposition& out, const Scrape& scrape) {
       using State = db::Lane::State;
       each_worker(scrape, [&](const std::string& number, const auto& worker) {
         for (std::size_t i = 0; i < worker.lanes.size(); ++i) {
           for (const State state : {State::idle, State::busy, State::connecting}) {
             out.sample({number + "." + std::to_string(i), db::name(state)},
                        as_gauge(worker.lanes[i] == state));
           }
         }
       });
     }},
    {{"parsec_database_queue_length",
      gauge,
      "Requests that wait for a connection.",
      {"worker", "work"}},
     [](Exposition& out, const Scrape& scrape) {
       each_worker(scrape, [&](const std::string& number, const auto& worker) {
         for (std::size_t i = 0; i < worker.waiting.size(); ++i) {
           out.sample({number, db::name(static_cast<db::Work>(i))},
                      std::uint64_t{worker.waiting[i]});
         }
       });
     }},
    {{"parsec_database_requests_total",
      counter,
      "Requests that were answered.",
      {"worker", "outcome"}},
     [](Exposition& out, const Scrape& scrape) {
       each_worker(scrape, [&](const std::string& number, const auto& worker) {
         for (const db::Count count :
              {db::Count::ok, db::Count::unavailable, db::Count::unknown, db::Count::failed}) {
           out.sample({number, db::name(count)}, worker.counts[static_cast<std::size_t>(count)]);
         }
       });
     }},
    {{"parsec_database_batches_total",
      counter,
      "Transactions, in which requests are put together.",
      {"worker"}},
     [](Exposition& out, const Scrape& scrape) {
       worker_counts(out, scrape, db::Count::segments);
     }},
    {{"parsec_database_retries_total",
      counter,
      "Requests that were tried again, after a failure that passes.",
      {"worker"}},
     [](Exposition& out, const Scrape& scrape) { worker_counts(out, scrape, db::Count::retries); }},
    {{"parsec_database_reconnects_total", counter, "Connections that were lost.", {"worker"}},
     [](Exposition& out, const Scrape& scrape) { worker_counts(out, scrape, db::Count::losses); }},
    {{"parsec_database_commit_duration_seconds",
      histogram,
      "From sending a transaction that writes to the answer to its commit.",
      {"worker"}},
     [](Exposition& out, const Scrape& scrape) {
       each_worker(scrape, [&](const std::string& number, const auto& worker) {
         out.sample({number}, worker.commits);
       });
     }},
    {{"parsec_database_ids_used_ratio",
      gauge,
      "Of the table whose ids end first: how far they are used, 0 to 1.",
      {}},
     [](Exposition& out, const Scrape& scrape) { out.sample({}, scrape.database.ids_used); }},
    {{"parsec_ring_full_total",
      counter,
      "Times a request found no room before a database worker, or its organization none.",
      {}},
     [](Exposition& out, const Scrape& scrape) { out.sample({}, scrape.database.refusals); }},

    // --- Block stores
    {{"parsec_block_store_requests_total",
      counter,
      "Blocks asked of a store.",
      {"store", "operation", "outcome"}},
     [](Exposition& out, const Scrape& scrape) {
       each_block_operation(scrape, [&](auto store, auto operation, const BlockSums& sums) {
         for (std::size_t i = 0; i < sums.outcomes.size(); ++i) {
           out.sample({store, db::name(operation), db::name(static_cast<db::BlockOutcome>(i))},
                      sums.outcomes[i]);
         }
       });
     }},
    {{"parsec_block_store_request_duration_seconds",
      histogram,
      "From asking a store for a block to its answer.",
      {"store", "operation"}},
     [](Exposition& out, const Scrape& scrape) {
       each_block_operation(scrape, [&](auto store, auto operation, const BlockSums& sums) {
         out.sample({store, db::name(operation)}, sums.duration);
       });
     }},
    {{"parsec_block_store_bytes_total",
      counter,
      "Bytes of blocks handed to a store, or found in it.",
      {"store", "operation"}},
     [](Exposition& out, const Scrape& scrape) {
       each_block_operation(scrape, [&](auto store, auto operation, const BlockSums& sums) {
         out.sample({store, db::name(operation)}, sums.bytes);
       });
     }},

    // --- Beside requests
    {{"parsec_mails_total", counter, "Invitation mails.", {"outcome"}},
     [](Exposition& out, const Scrape& scrape) {
       deliveries(out, scrape.parts->outbox->mail_counts());
     }},
    {{"parsec_webhooks_total",
      counter,
      "Bootstraps that the webhook was to be told of.",
      {"outcome"}},
     [](Exposition& out, const Scrape& scrape) {
       deliveries(out, scrape.parts->outbox->webhook_counts());
     }},
    {{"parsec_loop_turns_total", counter, "Turns of a network thread.", {"thread"}},
     [](Exposition& out, const Scrape& scrape) {
       shard_counts(out, scrape, engine::Count::turns);
     }},
    {{"parsec_loop_wakeups_total", counter, "Times another thread woke it.", {"thread"}},
     [](Exposition& out, const Scrape& scrape) {
       shard_counts(out, scrape, engine::Count::wake_ups);
     }},
    {{"parsec_loop_turn_duration_seconds",
      histogram,
      "A turn, without the sleep before it.",
      {"thread"}},
     [](Exposition& out, const Scrape& scrape) {
       each_shard(out, scrape,
                  [&](ShardIndex shard) { return scrape.parts->shards->turns(shard); });
     }},
    {{"parsec_buffer_shortages_total", counter, "Times no receive buffer was free.", {"thread"}},
     [](Exposition& out, const Scrape& scrape) {
       shard_counts(out, scrape, engine::Count::receive_starved);
     }},
});

}  // namespace

void write_metrics(Exposition& out, const MetricSources& sources) {
  const Scrape scrape{.sources = sources};
  for (const Row& row : rows) {
    if (scrape.parts == nullptr && !row.always) continue;
    out.begin(row.metric);
    row.collect(out, scrape);
  }
}

std::string metrics_listing() {
  std::string text;
  for (const Row& row : rows) {
    text.append(row.metric.name).append(" ").append(name(row.metric.type));
    std::string_view separator = " ";
    for (const std::string_view label : row.metric.labels) {
      if (label.empty()) continue;
      text.append(separator).append(label);
      separator = ", ";
    }
    text += '\n';
  }
  return text;
}

}  // namespace parsec::app
