#include "bench/report_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "bench/analysis/comparison.h"
#include "bench/analysis/plan.h"
#include "bench/json_reader.h"
#include "bench/report/html_report.h"
#include "bench/report/plan_text.h"
#include "bench/report/result_json.h"
#include "bench/report/text.h"

namespace parsec::bench {

namespace {

int write_file(const std::string& file, const std::string& text) {
  if (file.empty()) return 0;
  const auto saved = save(file, text);
  return saved ? 0 : fail(saved.error());
}

}  // namespace

int fail(const std::string& why) {
  fmt::print(stderr, "Error: {}\n", why);
  return 1;
}

std::expected<void, std::string> check_files(const Output& output) {
  for (const std::string& file : {output.json, output.html}) {
    if (file.empty()) continue;
    // Opened, and what may be in it left alone until there is something else.
    const std::ofstream opened(file, std::ios::binary | std::ios::app);
    if (!opened) {
      return std::unexpected("cannot write " + file + ": " +
                             std::generic_category().message(errno));
    }
  }
  std::error_code error;
  if (!output.json.empty() && !output.html.empty() &&
      (output.json == output.html ||
       std::filesystem::equivalent(output.json, output.html, error))) {
    return std::unexpected("--json and --html are the same file: " + output.json);
  }
  return {};
}

int write_files(const Output& output, const Result& result) {
  if (!output.json.empty()) {
    if (const int code = write_file(output.json, write_result(result)); code != 0) return code;
  }
  return output.html.empty() ? 0 : write_file(output.html, html_report(result));
}

int execute(const LawCommand& command) {
  Result all;
  all.scaling = ScalingSeries{.parameter = command.parameter, .steps = {}};
  for (const auto& [count, file] : command.results) {
    auto result = load_result(file);
    if (!result) return fail(result.error());
    const auto repeats = result->typical();
    if (repeats.empty()) return fail(file + ": holds no measurement of one load");
    all.scaling->steps.push_back({.count = count, .repeats = {repeats.begin(), repeats.end()}});
    all.environment = std::move(result->environment);
    all.scenario = std::move(result->scenario);
  }
  std::ranges::sort(all.scaling->steps, {}, &ScalingStep::count);
  fmt::print("{}\n", all.scenario.name);
  for (const ScalingStep& step : all.scaling->steps) fmt::print("{}", describe(step));
  fmt::print("{}", describe(*all.scaling));
  return write_files(command.output, all);
}

int execute(const ReportCommand& command) {
  const auto result = load_result(command.result);
  if (!result) return fail(result.error());
  return write_files(command.output, *result);
}

int execute(const CompareCommand& command) {
  const auto before = load_result(command.before), after = load_result(command.after);
  if (!before) return fail(before.error());
  if (!after) return fail(after.error());
  const Comparison comparison = compare(*before, *after);
  fmt::print("{}", describe(comparison));
  if (command.output.html.empty()) return 0;
  return write_file(command.output.html,
                    html_comparison(comparison, *before, *after, command.before, command.after));
}

int execute(const PlanCommand& command) {
  const auto text = read_file(command.deployment);
  if (!text) return fail(text.error());
  const auto deployment = Deployment::parse(*text);
  if (!deployment) return fail(command.deployment + ": " + deployment.error());
  std::vector<Result> results;
  for (const std::string& file : command.results) {
    auto result = load_result(file);
    if (!result) return fail(result.error());
    results.push_back(std::move(*result));
  }
  const auto costs = costs_of(results);
  if (!costs) return fail(costs.error());
  const auto plan = make_plan(*deployment, *costs);
  if (!plan) return fail(plan.error());
  fmt::print("{}", describe(*plan));
  return command.output.json.empty() ? 0 : write_file(command.output.json, write_plan(*plan));
}

}  // namespace parsec::bench
