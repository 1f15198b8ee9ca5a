#include "bench/analysis/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "db/schema/sequences.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
constexpr double gib = 1024.0 * 1024 * 1024;
/// A rate so many times the measured one is no longer "like it".
constexpr double far = 2;
constexpr double far_in_size = 10;

/// More is written than was measured where payloads are larger; not less than nothing.
double with_payload(double measured_bytes, double payload_difference) {
  return std::max(0.0, measured_bytes + payload_difference);
}

void add_activity(Plan& plan, const std::string& name, double per_hour,
                  const Costs::Activity& measured) {
  const Deployment& deployment = plan.deployment;
  const RequestCost& cost = measured.cost;
  const double per_active_second = per_hour * deployment.connected() / 3600;
  const double peak = per_active_second * deployment.peak_factor;
  const double per_day = per_active_second * 3600 * deployment.active_hours_per_day;
  double difference = 0;
  if (const auto payload = deployment.payload_bytes.find(name);
      payload != deployment.payload_bytes.end() && measured.stores_payload) {
    difference = payload->second - measured.payload_bytes;
  }
  const double wal = with_payload(cost.database->wal_bytes, difference);
  const double growth = with_payload(cost.database->growth_bytes, difference);
  plan.activities.push_back({
      .name = name,
      .per_second = peak,
      .server_cores = peak * *cost.server_cpu_seconds / deployment.utilization,
      .postgresql_cores = peak * *cost.postgresql_cpu_seconds / deployment.utilization,
      .wal_bytes_per_day = per_day * wal,
      .growth_bytes_per_day = per_day * growth,
  });
  for (const auto& [table, rows] : measured.ids) {
    auto found = std::ranges::find(plan.ids, table, &Plan::Ids::table);
    if (found == plan.ids.end()) found = plan.ids.insert(found, {.table = table, .per_day = 0});
    found->per_day += per_day * rows;
  }
  if (!measured.failures.empty()) {
    plan.notes.push_back(fmt::format(
        "{}: in its measurement {}. What such requests cost is not known: measure again.", name,
        measured.failures));
  }
  const Plan::Activity& added = plan.activities.back();
  plan.requests_per_second += peak;
  plan.server_cores += added.server_cores;
  plan.postgresql_cores += added.postgresql_cores;
  plan.received_bits_per_second += 8 * peak * with_payload(cost.sent_bytes, difference);
  plan.sent_bits_per_second += 8 * peak * cost.received_bytes;
  plan.replication_bits_per_second += 8 * peak * wal * deployment.replicas;
  plan.syncs_per_second += peak * cost.database->wal_syncs;
  plan.wal_bytes_per_day += added.wal_bytes_per_day;
  plan.growth_bytes_per_day += added.growth_bytes_per_day;
  if (peak > far * cost.per_second) {
    plan.notes.push_back(fmt::format(
        "{}: {:.0f} per second are needed, {:.0f} were measured: that cost stays the same so far "
        "beyond is not shown. Measure at a higher rate, or spread the organizations over several "
        "servers.",
        name, peak, cost.per_second));
  }
}

/// Bytes for each connection: said, or measured.
std::expected<double, std::string> connection_bytes(const Deployment& deployment,
                                                    const Costs& costs) {
  if (deployment.bytes_per_connection) return *deployment.bytes_per_connection;
  if (costs.connections) return costs.connections->bytes_each;
  return Error{
      "What a connection costs is not known: give two results with different numbers of "
      "connections, or bytes_per_connection in the description"};
}

void add_resource(Plan& plan, const char* name, double needed, double available, const char* unit) {
  if (needed > 0 && available > 0) plan.resources.push_back({name, needed, available, unit});
}

void compare(Plan& plan, const Costs& costs) {
  const double memory = (plan.server_memory_bytes + plan.postgresql_memory_bytes) / gib;
  if (const auto& machine = plan.deployment.machine) {
    add_resource(plan, "cores for the server", plan.server_cores, machine->server_cores, "cores");
    add_resource(plan, "cores for PostgreSQL", plan.postgresql_cores, machine->postgresql_cores,
                 "cores");
    add_resource(plan, "memory", memory, machine->memory_gib, "GiB");
    add_resource(plan, "disk", plan.disk_bytes / gib, machine->disk_gib, "GiB");
    // Both directions at once: the busier one decides.
    const double out = plan.sent_bits_per_second + plan.replication_bits_per_second;
    add_resource(plan, "network", std::max(plan.received_bits_per_second, out) * 1e-6,
                 machine->network_mbit_per_second, "Mbit/s");
  } else {
    plan.measured_machine = true;
    add_resource(plan, "cores for server and PostgreSQL", plan.server_cores + plan.postgresql_cores,
                 costs.cores, "cores");
    add_resource(plan, "memory", memory, static_cast<double>(costs.memory_bytes) / gib, "GiB");
  }
  std::ranges::sort(plan.resources, {}, &Plan::Resource::margin);
}

void add_notes(Plan& plan, const Costs& costs) {
  const Deployment& deployment = plan.deployment;
  const double realms = double{1} * deployment.organizations * deployment.realms_per_organization;
  if (realms > far_in_size * costs.realms) {
    plan.notes.push_back(fmt::format(
        "The deployment has {:.0f} realms, {:.0f} were measured: measure with a population that "
        "is more like it.",
        realms, costs.realms));
  }
  for (const Plan::Ids& ids : plan.ids) {
    const double act_after = db::ids_warning_from * ids.days();
    if (act_after > deployment.retention_days) continue;
    plan.notes.push_back(fmt::format(
        "{} writes {:.0f} rows a day: its 32-bit ids are used up after {:.0f} days, and then every "
        "write fails. The server warns from {:.0f} % on, after {:.0f} days: make the columns "
        "bigint "
        "by then, as db/schema/README.md says.",
        ids.table, ids.per_day, ids.days(), 100 * db::ids_warning_from, act_after));
  }
  plan.notes.push_back(
      "Network is what WebSocket frames hold, without TLS, TCP and what server and PostgreSQL "
      "say to each other. Processor time does not follow payload_bytes.");
}

}  // namespace

std::expected<Plan, std::string> make_plan(const Deployment& deployment, const Costs& costs) {
  Plan plan;
  plan.deployment = deployment;
  for (const auto& [name, per_hour] : deployment.per_device_and_hour) {
    const auto found = costs.activities.find(name);
    if (found == costs.activities.end()) {
      return Error{"per_device_and_hour." + name + ": none of the results measures it"};
    }
    add_activity(plan, name, per_hour, found->second);
  }
  std::erase_if(plan.ids, [](const Plan::Ids& ids) { return ids.per_day <= 0; });
  std::ranges::sort(plan.ids, {}, &Plan::Ids::days);
  const auto each = connection_bytes(deployment, costs);
  if (!each) return Error{each.error()};
  const double base = costs.connections ? costs.connections->bytes_without : 0;
  plan.server_memory_bytes = base + deployment.connected() * *each;
  plan.postgresql_memory_bytes =
      static_cast<double>(costs.postgresql_bytes) + deployment.hot_days * plan.growth_bytes_per_day;
  plan.disk_bytes = deployment.retention_days * plan.growth_bytes_per_day +
                    deployment.wal_kept_days * plan.wal_bytes_per_day;
  compare(plan, costs);
  add_notes(plan, costs);
  return plan;
}

}  // namespace parsec::bench
