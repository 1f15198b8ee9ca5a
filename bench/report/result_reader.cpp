#include <fmt/format.h>

#include <array>

#include "bench/json_reader.h"
#include "bench/report/result_json.h"

namespace parsec::bench {

namespace {

using Need = JsonReader::Need;
constexpr JsonReader::Range not_negative{.least = 0};
constexpr JsonReader::Range positive{.least = 0, .above = true};

void read(JsonReader& from, std::string_view key, engine::Histogram& into) {
  auto reader = from.object(key);
  if (!reader) return;
  reader->only({"lowest", "highest", "sum", "buckets"});
  std::uint64_t lowest = 0, highest = 0;
  double sum = 0;
  reader->whole("lowest", lowest);
  reader->whole("highest", highest);
  reader->number("sum", sum, not_negative);
  std::vector<engine::Histogram::Bucket> buckets;
  for (const auto& element : reader->list("buckets")) {
    simdjson::dom::array pair;
    engine::Histogram::Bucket bucket;
    if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
        pair.at(0).get(bucket.value) != simdjson::SUCCESS ||
        pair.at(1).get(bucket.count) != simdjson::SUCCESS) {
      return reader->fail("buckets", "must be pairs of a value and a count");
    }
    buckets.push_back(bucket);
  }
  if (from.failed()) return;
  auto histogram = engine::Histogram::restore(buckets, lowest, highest, sum);
  if (!histogram) return from.fail(key, "contradicts itself");
  into = std::move(*histogram);
}

template <class Names>
auto one_of(JsonReader& from, std::string_view key, const Names& names) {
  std::string text;
  from.text(key, text);
  for (const auto& [name, value] : names) {
    if (name == text) return value;
  }
  from.fail(key, "`" + text + "` is not known");
  return names[0].second;
}

void read_load(JsonReader& from, Load& load) {
  auto reader = from.object("load");
  if (!reader) return;
  reader->only(
      {"kind", "pattern", "rate", "in_flight", "warm_up_ms", "duration_ms", "patience_ms", "seed"});
  using Kinds = std::array<std::pair<std::string_view, Load::Kind>, 2>;
  load.kind =
      one_of(*reader, "kind", Kinds{{{"open", Load::Kind::open}, {"closed", Load::Kind::closed}}});
  using Patterns = std::array<std::pair<std::string_view, ArrivalPattern>, 2>;
  load.pattern = one_of(
      *reader, "pattern",
      Patterns{{{"poisson", ArrivalPattern::poisson}, {"constant", ArrivalPattern::constant}}});
  reader->number("rate", load.rate, not_negative);
  reader->whole("in_flight", load.in_flight);
  std::uint32_t warm_up = 0, duration = 0, patience = 0;
  reader->whole("warm_up_ms", warm_up);
  reader->whole("duration_ms", duration);
  load.warm_up = std::chrono::milliseconds{warm_up};
  load.duration = std::chrono::milliseconds{duration};
  reader->whole("patience_ms", patience);
  load.patience = std::chrono::milliseconds{patience};
  reader->whole("seed", load.seed);
}

void read(JsonReader& from, CommandResult& command) {
  from.only({"command", "sent", "replies", "completed", "latency", "service", "sent_bytes",
             "received_bytes"});
  from.text("command", command.command);
  from.whole("sent", command.sent);
  if (auto replies = from.object("replies")) {
    replies->names([&](std::string_view status) {
      replies->whole(status, command.replies[std::string{status}]);
    });
  }
  from.whole("completed", command.completed);
  read(from, "latency", command.latency);
  read(from, "service", command.service);
  from.whole("sent_bytes", command.sent_bytes);
  from.whole("received_bytes", command.received_bytes);
}

ProcessUsage read_usage(JsonReader& reader) {
  ProcessUsage usage;
  reader.only({"cpu_seconds", "resident_bytes", "threads", "busiest_thread"});
  reader.number("cpu_seconds", usage.cpu_seconds, not_negative);
  reader.whole("resident_bytes", usage.resident_bytes);
  reader.whole("threads", usage.threads);
  reader.number("busiest_thread", usage.busiest_thread, not_negative);
  return usage;
}

DatabaseUsage read_database(JsonReader& reader) {
  DatabaseUsage usage;
  reader.only({"commits", "wal_bytes", "wal_syncs", "statements", "size_growth_bytes"});
  reader.whole("commits", usage.commits);
  reader.whole("wal_bytes", usage.wal_bytes);
  reader.whole("wal_syncs", usage.wal_syncs);
  reader.whole("statements", usage.statements);
  reader.whole("size_growth_bytes", usage.size_growth_bytes);
  return usage;
}

void read(JsonReader& from, Measurement& measurement) {
  from.only({"load", "seconds", "connections", "commands", "generator_delay", "generator", "server",
             "postgresql", "database", "server_bytes_per_connection", "host_busy", "bottleneck"});
  read_load(from, measurement.load);
  from.number("seconds", measurement.seconds, positive);
  from.whole("connections", measurement.connections);
  from.objects("commands",
               [&](JsonReader& command) { read(command, measurement.commands.emplace_back()); });
  read(from, "generator_delay", measurement.generator_delay);
  if (auto reader = from.object("generator")) measurement.generator = read_usage(*reader);
  if (auto reader = from.object("server", Need::optional)) measurement.server = read_usage(*reader);
  if (auto reader = from.object("postgresql", Need::optional)) {
    measurement.postgresql = read_usage(*reader);
  }
  if (auto reader = from.object("database", Need::optional)) {
    measurement.database = read_database(*reader);
  }
  if (double each = 0; from.has("server_bytes_per_connection")) {
    from.number("server_bytes_per_connection", each, not_negative);
    measurement.server_bytes_per_connection = each;
  }
  from.number("host_busy", measurement.host_busy, not_negative);
  std::array<std::pair<std::string_view, Bottleneck>, 5> names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    names[i] = {name(static_cast<Bottleneck>(i)), static_cast<Bottleneck>(i)};
  }
  measurement.bottleneck = one_of(from, "bottleneck", names);
}

/// Repeats of one load: alike in their commands, so that they can be added up.
std::vector<Measurement> read_repeats(JsonReader& from, std::string_view key) {
  std::vector<Measurement> repeats;
  from.objects(key, [&](JsonReader& reader) { read(reader, repeats.emplace_back()); });
  if (repeats.empty()) from.fail(key, "must not be empty");
  for (const Measurement& each : repeats) {
    if (!std::ranges::equal(each.commands, repeats.front().commands, {}, &CommandResult::command,
                            &CommandResult::command)) {
      from.fail(key, "must be of the same commands");
    }
  }
  return repeats;
}

std::vector<Rung> read_rungs(JsonReader& from, std::string_view key) {
  std::vector<Rung> rungs;
  from.objects(key, [&](JsonReader& reader) {
    Rung rung;
    reader.only({"rate", "repeats"});
    reader.number("rate", rung.rate, positive);
    rung.repeats = read_repeats(reader, "repeats");
    rungs.push_back(std::move(rung));
  });
  return rungs;
}

void read(JsonReader& from, Search& search) {
  from.only({"p99_bound", "precision", "rate", "generator_was_the_limit", "rungs"});
  std::uint64_t bound = 0;
  from.whole("p99_bound", bound, Need::required, std::uint64_t{1});
  search.p99_bound = std::chrono::nanoseconds{bound};
  from.number("precision", search.precision, not_negative);
  from.number("rate", search.found.rate, not_negative);
  from.truth("generator_was_the_limit", search.found.generator_was_the_limit);
  search.found.rungs = read_rungs(from, "rungs");
}

void read(JsonReader& from, ScalingSeries& series) {
  from.only({"parameter", "steps"});
  from.text("parameter", series.parameter);
  from.objects("steps", [&](JsonReader& reader) {
    ScalingStep step;
    reader.only({"count", "repeats"});
    reader.number("count", step.count, positive);
    step.repeats = read_repeats(reader, "repeats");
    series.steps.push_back(std::move(step));
  });
}

NeighbourRow read_row(JsonReader& from) {
  NeighbourRow row;
  from.only({"hog", "hog_load", "victims"});
  from.text("hog", row.hog);
  row.hog_load = read_repeats(from, "hog_load");
  from.objects("victims", [&](JsonReader& reader) {
    NeighbourVictim victim;
    reader.only({"name", "alone", "beside"});
    reader.text("name", victim.name);
    victim.alone = read_repeats(reader, "alone");
    victim.beside = read_repeats(reader, "beside");
    row.victims.push_back(std::move(victim));
  });
  return row;
}

void read_texts(JsonReader& from, std::string_view key, std::map<std::string, std::string>& into) {
  if (auto reader = from.object(key)) {
    reader->names([&](std::string_view name) { reader->text(name, into[std::string{name}]); });
  }
}

void read(JsonReader& from, Environment& environment) {
  from.only({"date", "command_line", "cpu_model", "cores", "memory_bytes", "kernel", "distribution",
             "governor", "virtualisation", "versions", "postgresql_settings"});
  from.text("date", environment.date);
  from.text("command_line", environment.command_line);
  from.text("cpu_model", environment.cpu_model);
  from.whole("cores", environment.cores);
  from.whole("memory_bytes", environment.memory_bytes);
  from.text("kernel", environment.kernel);
  from.text("distribution", environment.distribution);
  from.text("governor", environment.governor);
  from.text("virtualisation", environment.virtualisation);
  read_texts(from, "versions", environment.versions);
  read_texts(from, "postgresql_settings", environment.postgresql_settings);
}

Result read_whole(JsonReader& all) {
  Result result;
  std::string format;
  std::uint32_t version = 0;
  all.text("format", format);
  if (format != "parsec-bench-result") all.fail("format", "must be parsec-bench-result");
  all.whole("version", version, Need::required, 1U);
  if (version > result_version) {
    all.fail("version",
             fmt::format("{} is newer than this program, which knows {}", version, result_version));
  }
  all.only({"format", "version", "environment", "scenario", "run", "search", "ladder", "scaling",
            "neighbours"});
  if (auto reader = all.object("environment")) read(*reader, result.environment);
  if (auto reader = all.object("scenario")) {
    auto scenario = Scenario::parse(reader->as_text());
    if (!scenario) {
      all.fail("scenario", scenario.error());
    } else {
      result.scenario = std::move(*scenario);
    }
  }
  if (all.has("run")) result.run = read_repeats(all, "run");
  if (auto reader = all.object("search", Need::optional)) read(*reader, result.search.emplace());
  if (all.has("ladder")) result.ladder = read_rungs(all, "ladder");
  if (auto reader = all.object("scaling", Need::optional)) read(*reader, result.scaling.emplace());
  if (all.has("neighbours")) {
    all.objects("neighbours", [&](JsonReader& row) { result.neighbours.push_back(read_row(row)); });
  }
  if (!all.failed() && result.neighbours.empty() && result.typical().empty())
    all.fail("run", "is missing: nothing was measured");
  return result;
}

}  // namespace

std::expected<Result, std::string> read_result(std::string_view json) {
  return JsonReader::document(json, read_whole);
}

std::expected<Result, std::string> load_result(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return std::unexpected(text.error());
  auto result = read_result(*text);
  if (!result) return std::unexpected(file + ": " + result.error());
  return result;
}

}  // namespace parsec::bench
