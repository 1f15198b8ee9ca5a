#include "bench/report/plan_text.h"

#include <fmt/format.h>

#include <cmath>

#include "bench/json_writer.h"
#include "bench/report/units.h"
#include "db/schema/sequences.h"

namespace parsec::bench {

namespace {

constexpr std::string_view row = "{:<22} {:>14}  {}\n";

/// Processors are bought whole.
std::string cores(double needed) {
  const double whole = std::max(1.0, std::ceil(needed - 1e-9));
  return fmt::format("{:.0f}", whole);
}

std::string headline(const Plan& plan) {
  const Plan::Resource* limit = plan.limit();
  if (limit == nullptr) return "Nothing is known of a machine to compare it with.\n";
  const std::string whose =
      plan.measured_machine ? "The machine of the measurement" : "The machine";
  const double margin = limit->margin();
  const double organizations = std::floor(plan.deployment.organizations * margin);
  std::string text =
      margin >= 1 ? fmt::format("{} carries it {} times", whose, quantity(margin))
                  : fmt::format("{} is too small: it carries {} of it", whose, percent(margin));
  text += fmt::format(", which is {} organization{} like these.\n", count(organizations),
                      organizations == 1 ? "" : "s");
  text += fmt::format("What limits: {} ({} of {} {}).\n", limit->name, quantity(limit->needed),
                      quantity(limit->available), limit->unit);
  return text;
}

std::string needs(const Plan& plan) {
  const Deployment& deployment = plan.deployment;
  const auto busy = [&](double needed) {
    return fmt::format("{} busy in the busiest hour, {} of each at most",
                       quantity(needed * deployment.utilization), percent(deployment.utilization));
  };
  std::string text =
      fmt::format(row, "server cores", cores(plan.server_cores), busy(plan.server_cores));
  text += fmt::format(row, "PostgreSQL cores", cores(plan.postgresql_cores),
                      busy(plan.postgresql_cores));
  text += fmt::format(row, "server memory", bytes(plan.server_memory_bytes),
                      fmt::format("{} connections", count(deployment.connected())));
  text += fmt::format(row, "PostgreSQL memory", bytes(plan.postgresql_memory_bytes),
                      fmt::format("with {:g} days' growth", deployment.hot_days));
  text += fmt::format(row, "WAL", bytes(plan.wal_bytes_per_day) + "/day",
                      fmt::format("{} syncs/s", quantity(plan.syncs_per_second)));
  text += fmt::format(row, "growth", bytes(plan.growth_bytes_per_day) + "/day", "");
  text += fmt::format(row, "disk", bytes(plan.disk_bytes),
                      fmt::format("after {:g} days, with {:g} days' WAL; on each of {} PostgreSQL "
                                  "server{}",
                                  deployment.retention_days, deployment.wal_kept_days,
                                  deployment.replicas + 1, deployment.replicas == 0 ? "" : "s"));
  if (!plan.ids.empty()) {
    const Plan::Ids& first = plan.ids.front();
    text += fmt::format(row, "32-bit ids", fmt::format("{} days", count(std::floor(first.days()))),
                        fmt::format("until those of {} are used up; act from {} on, after {} days",
                                    first.table, percent(db::ids_warning_from),
                                    count(std::floor(db::ids_warning_from * first.days()))));
  }
  text += fmt::format(
      row, "network",
      quantity(1e-6 * (plan.sent_bits_per_second + plan.replication_bits_per_second)) + " Mbit/s",
      fmt::format("out, {} of it replication; {} in",
                  quantity(1e-6 * plan.replication_bits_per_second),
                  quantity(1e-6 * plan.received_bits_per_second)));
  return text;
}

}  // namespace

std::string describe(const Plan& plan) {
  const Deployment& deployment = plan.deployment;
  std::string text = fmt::format(
      "{}: {} organizations, {} devices, {} connected; {} requests/s in the busiest hour\n\n",
      deployment.name, count(deployment.organizations), count(deployment.devices()),
      count(deployment.connected()), quantity(plan.requests_per_second));
  text += headline(plan) + "\n" + needs(plan);
  text += fmt::format("\n{:<22} {:>10} {:>13} {:>17} {:>13} {:>13}\n", "in the busiest hour",
                      "per s", "server cores", "PostgreSQL cores", "WAL/day", "growth/day");
  for (const Plan::Activity& activity : plan.activities) {
    text += fmt::format("{:<22} {:>10} {:>13} {:>17} {:>13} {:>13}\n", activity.name,
                        quantity(activity.per_second), quantity(activity.server_cores),
                        quantity(activity.postgresql_cores), bytes(activity.wal_bytes_per_day),
                        bytes(activity.growth_bytes_per_day));
  }
  if (!plan.resources.empty()) {
    text += fmt::format("\n{:<32} {:>10} {:>10} {:>8}\n", "resource", "needed", "there", "margin");
  }
  for (const Plan::Resource& resource : plan.resources) {
    text += fmt::format("{:<32} {:>10} {:>10} {:>6} ×\n", resource.name + ", " + resource.unit,
                        quantity(resource.needed), quantity(resource.available),
                        quantity(resource.margin()));
  }
  for (const std::string& note : plan.notes) text += "\nNote: " + note;
  return text + "\n";
}

std::string write_plan(const Plan& plan) {
  JsonWriter json;
  json.begin_object();
  json.member("format", "parsec-bench-plan");
  json.member("version", 1U);
  json.member("name", plan.deployment.name);
  json.member("devices", plan.deployment.devices());
  json.member("connections", plan.deployment.connected());
  json.member("requests_per_second", plan.requests_per_second);
  json.member("server_cores", plan.server_cores);
  json.member("postgresql_cores", plan.postgresql_cores);
  json.member("server_memory_bytes", plan.server_memory_bytes);
  json.member("postgresql_memory_bytes", plan.postgresql_memory_bytes);
  json.member("wal_bytes_per_day", plan.wal_bytes_per_day);
  json.member("growth_bytes_per_day", plan.growth_bytes_per_day);
  json.member("disk_bytes", plan.disk_bytes);
  json.member("received_bits_per_second", plan.received_bits_per_second);
  json.member("sent_bits_per_second", plan.sent_bits_per_second);
  json.member("replication_bits_per_second", plan.replication_bits_per_second);
  json.member("syncs_per_second", plan.syncs_per_second);
  json.key("ids");
  json.begin_list();
  for (const Plan::Ids& ids : plan.ids) {
    json.begin_object();
    json.member("table", ids.table);
    json.member("per_day", ids.per_day);
    json.member("days", ids.days());
    json.end_object();
  }
  json.end_list();
  json.key("activities");
  json.begin_list();
  for (const Plan::Activity& activity : plan.activities) {
    json.begin_object();
    json.member("name", activity.name);
    json.member("per_second", activity.per_second);
    json.member("server_cores", activity.server_cores);
    json.member("postgresql_cores", activity.postgresql_cores);
    json.member("wal_bytes_per_day", activity.wal_bytes_per_day);
    json.member("growth_bytes_per_day", activity.growth_bytes_per_day);
    json.end_object();
  }
  json.end_list();
  if (const Plan::Resource* limit = plan.limit()) {
    json.member("limit", limit->name);
    json.member("margin", limit->margin());
  }
  json.key("resources");
  json.begin_list();
  for (const Plan::Resource& resource : plan.resources) {
    json.begin_object();
    json.member("name", resource.name);
    json.member("needed", resource.needed);
    json.member("available", resource.available);
    json.member("unit", resource.unit);
    json.end_object();
  }
  json.end_list();
  json.key("notes");
  json.begin_list();
  for (const std::string& note : plan.notes) json.value(note);
  json.end_list();
  json.end_object();
  return json.take();
}

}  // namespace parsec::bench
