#include "bench/report/text.h"

#include <fmt/format.h>

#include <cassert>
#include <vector>

#include "bench/repeats.h"

namespace parsec::bench {

namespace {

double milliseconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-6; }

template <class Value>
Repeats over(std::span<const Measurement> repeats, Value value) {
  std::vector<double> values;
  for (const Measurement& measurement : repeats) values.push_back(value(measurement));
  return summarize(values);
}

std::string command_line(std::span<const Measurement> repeats, std::size_t index) {
  const CommandResult& first = repeats.front().commands[index];
  engine::Histogram latency, service;
  std::map<std::string, std::uint64_t> replies;
  for (const Measurement& measurement : repeats) {
    const CommandResult& command = measurement.commands[index];
    latency.merge(command.latency);
    service.merge(command.service);
    for (const auto& [status, count] : command.replies) replies[status] += count;
  }
  const Repeats rate = over(repeats, [index](const Measurement& m) {
    return static_cast<double>(m.commands[index].answered()) / m.seconds;
  });
  std::string line = fmt::format(
      "{:<18} {:>9.0f}/s ±{:>3.0f}%  {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f}   {:>8.3f}", first.command,
      rate.median, 50 * rate.spread(), milliseconds(latency.value_at(0.5)),
      milliseconds(latency.value_at(0.9)), milliseconds(latency.value_at(0.99)),
      milliseconds(latency.highest()), milliseconds(service.value_at(0.5)));
  for (const auto& [status, count] : replies) {
    if (status != "ok") line += fmt::format("  {}: {}", status, count);
  }
  return line + "\n";
}

std::string usage_line(std::string_view who, const ProcessUsage& usage, double seconds,
                       double answered) {
  return fmt::format(
      "{:<11} {:>5.2f} cores, {:>6.1f} µs of CPU per request, busiest thread {:>3.0f} %, {:.1f} "
      "MiB\n",
      who, usage.cpu_seconds / seconds, answered == 0 ? 0 : 1e6 * usage.cpu_seconds / answered,
      100 * usage.busiest_thread, static_cast<double>(usage.resident_bytes) / (1 << 20));
}

}  // namespace

std::string describe(std::span<const Measurement> repeats) {
  assert(!repeats.empty());
  const Measurement& last = repeats.back();
  std::string text =
      fmt::format("{:<18} {:>11} {:>5}  {:>8} {:>8} {:>8} {:>8}   {:>8}\n", "command", "answered",
                  "", "p50 ms", "p90", "p99", "max", "service");
  for (std::size_t i = 0; i < last.commands.size(); ++i) text += command_line(repeats, i);
  engine::Histogram delay;
  for (const Measurement& measurement : repeats) delay.merge(measurement.generator_delay);
  text += fmt::format("connections {}; the generator was late by {:.3f} ms at p99\n",
                      last.connections, milliseconds(delay.value_at(0.99)));
  const auto answered = static_cast<double>(last.answered());
  text += usage_line("generator", last.generator, last.seconds, answered);
  if (last.server) text += usage_line("server", *last.server, last.seconds, answered);
  if (last.postgresql) text += usage_line("postgresql", *last.postgresql, last.seconds, answered);
  if (last.database) {
    const auto per_request = [answered](std::uint64_t count) {
      return answered == 0 ? 0 : static_cast<double>(count) / answered;
    };
    text += fmt::format(
        "database    per request: {:.3f} commits, {:.0f} bytes of WAL, {:.3f} syncs, {:.2f} "
        "statements\n",
        per_request(last.database->commits), per_request(last.database->wal_bytes),
        per_request(last.database->wal_syncs), per_request(last.database->statements));
  }
  text += fmt::format("host        {:.0f} % busy; limited by: {}\n", 100 * last.host_busy,
                      name(last.bottleneck));
  return text;
}

}  // namespace parsec::bench
