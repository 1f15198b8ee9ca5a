#include <concepts>
#include <fstream>

#include "bench/json_writer.h"
#include "bench/report/result_json.h"

namespace parsec::bench {

namespace {

void write(JsonWriter& json, std::string_view key, const engine::Histogram& histogram) {
  json.key(key);
  json.begin_object();
  json.member("lowest", histogram.lowest());
  json.member("highest", histogram.highest());
  json.member("sum", histogram.sum());
  json.key("buckets");
  json.begin_row();
  histogram.for_each([&json](std::uint64_t lowest, std::uint64_t, std::uint64_t count) {
    json.begin_row();
    json.value(lowest);
    json.value(count);
    json.end_list();
  });
  json.end_list();
  json.end_object();
}

template <class Map>
void write_map(JsonWriter& json, std::string_view key, const Map& map) {
  json.key(key);
  json.begin_object();
  for (const auto& [name, value] : map) json.member(name, value);
  json.end_object();
}

void write(JsonWriter& json, const Load& load) {
  json.key("load");
  json.begin_object();
  json.member("kind", load.kind == Load::Kind::open ? "open" : "closed");
  json.member("pattern", load.pattern == ArrivalPattern::poisson ? "poisson" : "constant");
  json.member("rate", load.rate);
  json.member("in_flight", load.in_flight);
  json.member("warm_up_ms", static_cast<std::uint64_t>(load.warm_up.count()));
  json.member("duration_ms", static_cast<std::uint64_t>(load.duration.count()));
  json.member("patience_ms", static_cast<std::uint64_t>(load.patience.count()));
  json.member("seed", load.seed);
  json.end_object();
}

void write(JsonWriter& json, const CommandResult& command) {
  json.begin_object();
  json.member("command", command.command);
  json.member("sent", command.sent);
  write_map(json, "replies", command.replies);
  json.member("completed", command.completed);
  write(json, "latency", command.latency);
  write(json, "service", command.service);
  json.member("sent_bytes", command.sent_bytes);
  json.member("received_bytes", command.received_bytes);
  json.end_object();
}

void write(JsonWriter& json, std::string_view key, const ProcessUsage& usage) {
  json.key(key);
  json.begin_object();
  json.member("cpu_seconds", usage.cpu_seconds);
  json.member("resident_bytes", usage.resident_bytes);
  json.member("threads", usage.threads);
  json.member("busiest_thread", usage.busiest_thread);
  json.end_object();
}

void write(JsonWriter& json, const DatabaseUsage& usage) {
  json.key("database");
  json.begin_object();
  json.member("commits", usage.commits);
  json.member("wal_bytes", usage.wal_bytes);
  json.member("wal_syncs", usage.wal_syncs);
  json.member("statements", usage.statements);
  json.member("size_growth_bytes", usage.size_growth_bytes);
  json.end_object();
}

void write(JsonWriter& json, const Measurement& measurement) {
  json.begin_object();
  write(json, measurement.load);
  json.member("seconds", measurement.seconds);
  json.member("connections", measurement.connections);
  json.key("commands");
  json.begin_list();
  for (const CommandResult& command : measurement.commands) write(json, command);
  json.end_list();
  write(json, "generator_delay", measurement.generator_delay);
  write(json, "generator", measurement.generator);
  if (measurement.server) write(json, "server", *measurement.server);
  if (measurement.postgresql) write(json, "postgresql", *measurement.postgresql);
  if (measurement.database) write(json, *measurement.database);
  if (measurement.server_bytes_per_connection) {
    json.member("server_bytes_per_connection", *measurement.server_bytes_per_connection);
  }
  json.member("host_busy", measurement.host_busy);
  json.member("bottleneck", name(measurement.bottleneck));
  json.end_object();
}

void write(JsonWriter& json, std::string_view key, const std::vector<Measurement>& repeats) {
  json.key(key);
  json.begin_list();
  for (const Measurement& measurement : repeats) write(json, measurement);
  json.end_list();
}

void write(JsonWriter& json, std::string_view key, const std::vector<Rung>& rungs) {
  json.key(key);
  json.begin_list();
  for (const Rung& rung : rungs) {
    json.begin_object();
    json.member("rate", rung.rate);
    write(json, "repeats", rung.repeats);
    json.end_object();
  }
  json.end_list();
}

void write(JsonWriter& json, const Search& search) {
  json.key("search");
  json.begin_object();
  json.member("p99_bound", static_cast<std::uint64_t>(search.p99_bound.count()));
  json.member("precision", search.precision);
  json.member("rate", search.found.rate);
  json.member("generator_was_the_limit", search.found.generator_was_the_limit);
  write(json, "rungs", search.found.rungs);
  json.end_object();
}

void write(JsonWriter& json, const ScalingSeries& series) {
  json.key("scaling");
  json.begin_object();
  json.member("parameter", series.parameter);
  json.key("steps");
  json.begin_list();
  for (const ScalingStep& step : series.steps) {
    json.begin_object();
    json.member("count", step.count);
    write(json, "repeats", step.repeats);
    json.end_object();
  }
  json.end_list();
  json.end_object();
}

void write(JsonWriter& json, const std::vector<NeighbourRow>& rows) {
  json.key("neighbours");
  json.begin_list();
  for (const NeighbourRow& row : rows) {
    json.begin_object();
    json.member("hog", row.hog);
    write(json, "hog_load", row.hog_load);
    json.key("victims");
    json.begin_list();
    for (const NeighbourVictim& victim : row.victims) {
      json.begin_object();
      json.member("name", victim.name);
      write(json, "alone", victim.alone);
      write(json, "beside", victim.beside);
      json.end_object();
    }
    json.end_list();
    json.end_object();
  }
  json.end_list();
}

void write(JsonWriter& json, const Environment& environment) {
  json.key("environment");
  json.begin_object();
  json.member("date", environment.date);
  json.member("command_line", environment.command_line);
  json.member("cpu_model", environment.cpu_model);
  json.member("cores", environment.cores);
  json.member("memory_bytes", environment.memory_bytes);
  json.member("kernel", environment.kernel);
  json.member("distribution", environment.distribution);
  json.member("governor", environment.governor);
  json.member("virtualisation", environment.virtualisation);
  write_map(json, "versions", environment.versions);
  write_map(json, "postgresql_settings", environment.postgresql_settings);
  json.end_object();
}

void write(JsonWriter& json, const Scenario& scenario) {
  json.key("scenario");
  json.begin_object();
  json.member("name", scenario.name);
  json.member("description", scenario.description);
  json.key("population");
  json.begin_object();
  json.member("organizations", scenario.population.organizations);
  json.member("users", scenario.population.users);
  json.member("devices", scenario.population.devices);
  json.member("realms", scenario.population.realms);
  json.member("vlobs", scenario.population.vlobs);
  json.member("blocks", scenario.population.blocks);
  json.end_object();
  json.member("connections", scenario.connections);
  json.member("subscribers", scenario.subscribers);
  json.member("idle", scenario.idle);
  json.member("zipf", scenario.zipf);
  json.key("commands");
  json.begin_list();
  for (const CommandShare& share : scenario.commands) {
    json.begin_object();
    json.member("command", name(share.command));
    json.member("weight", share.weight);
    json.member("bytes", share.bytes);
    json.member("vlobs", share.vlobs);
    json.member("batch", share.batch);
    json.member("from_start", share.from_start);
    json.end_object();
  }
  json.end_list();
  json.end_object();
}

}  // namespace

std::string write_result(const Result& result) {
  JsonWriter json;
  json.begin_object();
  json.member("format", "parsec-bench-result");
  json.member("version", result_version);
  write(json, result.environment);
  write(json, result.scenario);
  if (!result.run.empty()) write(json, "run", result.run);
  if (result.search) write(json, *result.search);
  if (!result.ladder.empty()) write(json, "ladder", result.ladder);
  if (result.scaling) write(json, *result.scaling);
  if (!result.neighbours.empty()) write(json, result.neighbours);
  json.end_object();
  return json.take();
}

std::expected<void, std::string> save(const std::string& file, std::string_view text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (!out) return std::unexpected("cannot write " + file);
  return {};
}

}  // namespace parsec::bench
