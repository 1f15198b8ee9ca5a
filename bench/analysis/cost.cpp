#include "bench/analysis/cost.h"

#include <algorithm>
#include <set>

#include "bench/analysis/failures.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;

bool stores(Command command) {
  return command == Command::vlob_create || command == Command::vlob_update ||
         command == Command::block_create;
}

/// Of a request of that command, in tables whose ids are 32 bits wide.
std::map<std::string, double> rows_of(const CommandShare& share) {
  switch (share.command) {
    case Command::vlob_create:
    case Command::vlob_update:
    case Command::fan_out:
      return {{"vlob_atom", 1}, {"realm_vlob_update", 1}};
    case Command::reencryption:
      return {{"vlob_atom", share.vlobs}, {"message", 1}};
    case Command::block_create:
      return {{"block", 1}};
    default:
      return {};
  }
}

/// Adds up optional parts: the sum is known only if all of them are.
void add(std::optional<double>& sum, const std::optional<ProcessUsage>& part) {
  if (!part) {
    sum.reset();
  } else if (sum) {
    *sum += part->cpu_seconds;
  }
}

Costs::Activity activity_of(const Result& result) {
  Costs::Activity activity{.cost = cost_of(result.typical())};
  double weights = 0;
  for (const CommandShare& share : result.scenario.commands) {
    weights += share.weight;
    activity.payload_bytes += share.weight * share.bytes;
    activity.stores_payload |= stores(share.command);
  }
  for (const CommandShare& share : result.scenario.commands) {
    for (const auto& [table, rows] : rows_of(share)) {
      activity.ids[table] += rows * share.weight / weights;
    }
  }
  activity.payload_bytes /= weights;
  if (const auto failed = describe(failures_of(result.typical()))) activity.failures = *failed;
  return activity;
}

std::expected<void, std::string> complete(const RequestCost& cost, const std::string& scenario) {
  if (cost.answered == 0) return Error{"The result of " + scenario + " has no answers"};
  if (!cost.server_cpu_seconds) {
    return Error{"The result of " + scenario +
                 " lacks the server's CPU: measure on its machine, or with --server-pid"};
  }
  if (!cost.postgresql_cpu_seconds) {
    return Error{"The result of " + scenario +
                 " lacks PostgreSQL's CPU: measure on its machine with --db"};
  }
  if (!cost.database) {
    return Error{"The result of " + scenario + " lacks PostgreSQL's counters: measure with --db"};
  }
  return {};
}

/// What the server took when the connections were opened, where there were enough to tell.
std::optional<Costs::Connections> told_by_opening(std::span<const Result> results) {
  const Measurement* most = nullptr;
  for (const Result& result : results) {
    const Measurement& last = result.typical().back();
    if (!last.server_bytes_per_connection) continue;
    if (most == nullptr || last.connections > most->connections) most = &last;
  }
  if (most == nullptr) return std::nullopt;
  const double each = *most->server_bytes_per_connection;
  const double all = static_cast<double>(most->server->resident_bytes);
  return Costs::Connections{.bytes_each = each,
                            .bytes_without = std::max(0.0, all - each * most->connections)};
}

/// A straight line through the two ends; nullopt where it does not rise.
std::optional<Costs::Connections> connections_of(const std::map<std::uint32_t, double>& memory) {
  if (memory.size() < 2) return std::nullopt;
  const auto& [fewest, least] = *memory.begin();
  const auto& [most, highest] = *memory.rbegin();
  const double each = (highest - least) / (most - fewest);
  if (each <= 0) return std::nullopt;
  return Costs::Connections{.bytes_each = each,
                            .bytes_without = std::max(0.0, least - each * fewest)};
}

}  // namespace

RequestCost cost_of(std::span<const Measurement> repeats) {
  RequestCost cost{.server_cpu_seconds = 0.0,
                   .postgresql_cpu_seconds = 0.0,
                   .database = RequestCost::Database{}};
  double seconds = 0;
  for (const Measurement& measurement : repeats) {
    cost.answered += measurement.completed();
    seconds += measurement.seconds;
    add(cost.server_cpu_seconds, measurement.server);
    add(cost.postgresql_cpu_seconds, measurement.postgresql);
    for (const CommandResult& command : measurement.commands) {
      cost.sent_bytes += static_cast<double>(command.sent_bytes);
      cost.received_bytes += static_cast<double>(command.received_bytes);
    }
    if (!measurement.database) {
      cost.database.reset();
    } else if (cost.database) {
      cost.database->commits += static_cast<double>(measurement.database->commits);
      cost.database->wal_bytes += static_cast<double>(measurement.database->wal_bytes);
      cost.database->wal_syncs += static_cast<double>(measurement.database->wal_syncs);
      cost.database->statements += static_cast<double>(measurement.database->statements);
      cost.database->growth_bytes += static_cast<double>(measurement.database->size_growth_bytes);
    }
  }
  if (cost.answered == 0) return {};
  const auto requests = static_cast<double>(cost.answered);
  cost.per_second = requests / seconds;
  cost.sent_bytes /= requests;
  cost.received_bytes /= requests;
  if (cost.server_cpu_seconds) *cost.server_cpu_seconds /= requests;
  if (cost.postgresql_cpu_seconds) *cost.postgresql_cpu_seconds /= requests;
  if (cost.database) {
    for (double* sum :
         {&cost.database->commits, &cost.database->wal_bytes, &cost.database->wal_syncs,
          &cost.database->statements, &cost.database->growth_bytes}) {
      *sum /= requests;
    }
  }
  return cost;
}

std::expected<Costs, std::string> costs_of(std::span<const Result> results) {
  if (results.empty()) return Error{"A plan needs at least one result"};
  Costs costs;
  costs.cores = results.front().environment.cores;
  costs.memory_bytes = results.front().environment.memory_bytes;
  std::map<std::uint32_t, double> memory;  // by connections, the most that was seen
  for (const Result& result : results) {
    if (result.typical().empty()) {
      return Error{"The result of " + result.scenario.name +
                   " says nothing of what a request costs: give those of run or search"};
    }
    const Costs::Activity activity = activity_of(result);
    if (auto known = complete(activity.cost, result.scenario.name); !known) {
      return Error{known.error()};
    }
    std::set<std::string> names{result.scenario.name};
    if (result.scenario.commands.size() == 1) {
      names.insert(std::string{name(result.scenario.commands.front().command)});
    }
    for (const std::string& name : names) {
      if (!costs.activities.emplace(name, activity).second) {
        return Error{"Two results measure " + name + ": give one of them"};
      }
    }
    const PopulationSize& population = result.scenario.population;
    const double realms = double{1} * population.organizations * population.realms;
    if (costs.realms == 0 || realms < costs.realms) costs.realms = realms;
    for (const Measurement& measurement : result.typical()) {
      double& most = memory[measurement.connections];
      most = std::max(most, static_cast<double>(measurement.server->resident_bytes));
      costs.postgresql_bytes =
          std::max(costs.postgresql_bytes, measurement.postgresql->resident_bytes);
    }
  }
  costs.connections = told_by_opening(results);
  if (!costs.connections) costs.connections = connections_of(memory);
  return costs;
}

}  // namespace parsec::bench
