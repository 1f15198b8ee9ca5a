#include "bench/analysis/deployment.h"

#include "bench/json_reader.h"

namespace parsec::bench {

namespace {

using Need = JsonReader::Need;
constexpr JsonReader::Range not_negative{.least = 0};
constexpr JsonReader::Range positive{.least = 0, .above = true};
constexpr JsonReader::Range share{.least = 0, .most = 1, .above = true};

void read_numbers(JsonReader& all, std::string_view key, Need need,
                  std::map<std::string, double>& into) {
  if (auto reader = all.object(key, need)) {
    reader->names([&](std::string_view name) {
      reader->number(name, into[std::string{name}], not_negative);
    });
  }
}

Machine read_machine(JsonReader& reader) {
  Machine machine;
  reader.only(
      {"server_cores", "postgresql_cores", "memory_gib", "disk_gib", "network_mbit_per_second"});
  reader.number("server_cores", machine.server_cores, positive, Need::optional);
  reader.number("postgresql_cores", machine.postgresql_cores, positive, Need::optional);
  reader.number("memory_gib", machine.memory_gib, positive, Need::optional);
  reader.number("disk_gib", machine.disk_gib, positive, Need::optional);
  reader.number("network_mbit_per_second", machine.network_mbit_per_second, positive,
                Need::optional);
  return machine;
}

Deployment read(JsonReader& all) {
  Deployment made;
  all.only({"name", "organizations", "users_per_organization", "devices_per_user",
            "realms_per_organization", "connected_share", "peak_factor", "active_hours_per_day",
            "per_device_and_hour", "payload_bytes", "retention_days", "hot_days", "wal_kept_days",
            "replicas", "utilization", "bytes_per_connection", "machine"});
  all.text("name", made.name);
  all.whole("organizations", made.organizations, Need::required, 1U);
  all.whole("users_per_organization", made.users_per_organization, Need::required, 1U);
  all.whole("devices_per_user", made.devices_per_user, Need::required, 1U);
  all.whole("realms_per_organization", made.realms_per_organization, Need::optional, 1U);
  all.number("connected_share", made.connected_share, share, Need::optional);
  all.number("peak_factor", made.peak_factor, {.least = 1}, Need::optional);
  all.number("active_hours_per_day", made.active_hours_per_day,
             {.least = 0, .most = 24, .above = true}, Need::optional);
  read_numbers(all, "per_device_and_hour", Need::required, made.per_device_and_hour);
  if (made.per_device_and_hour.empty()) all.fail("per_device_and_hour", "must not be empty");
  read_numbers(all, "payload_bytes", Need::optional, made.payload_bytes);
  all.number("retention_days", made.retention_days, not_negative, Need::optional);
  all.number("hot_days", made.hot_days, not_negative, Need::optional);
  all.number("wal_kept_days", made.wal_kept_days, not_negative, Need::optional);
  all.whole("replicas", made.replicas, Need::optional);
  all.number("utilization", made.utilization, share, Need::optional);
  if (all.has("bytes_per_connection")) {
    all.number("bytes_per_connection", made.bytes_per_connection.emplace(), not_negative);
  }
  if (auto reader = all.object("machine", Need::optional)) made.machine = read_machine(*reader);
  for (const auto& [name, bytes] : made.payload_bytes) {
    if (!made.per_device_and_hour.contains(name)) {
      all.fail("payload_bytes." + name, "is not in per_device_and_hour");
    }
  }
  return made;
}

}  // namespace

std::expected<Deployment, std::string> Deployment::parse(std::string_view json) {
  return JsonReader::document(json, read);
}

}  // namespace parsec::bench
