// The text of a scrape: Prometheus' text format 0.0.4, and OpenMetrics 1.0 for who asks for it.
//
//   Exposition text{Exposition::Format::openmetrics};
//   text.begin({.name = "x_requests_total", .type = MetricType::counter, .help = "…", .labels =
//   {"command"}}); text.sample({"ping"}, 7); std::string body = text.finish();
//
// One thread for each object.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "engine/metrics/counter.h"

namespace parsec::engine {

enum class MetricType : std::uint8_t { counter, gauge, histogram };
std::string_view name(MetricType type);

struct Metric {
  static constexpr std::size_t most_labels = 3;

  std::string_view name;  // of counters it ends with _total
  MetricType type = MetricType::gauge;
  std::string_view help;
  std::array<std::string_view, most_labels> labels{};  // empty: fewer
};

class Exposition {
 public:
  enum class Format : std::uint8_t { text, openmetrics };
  /// What the header Accept asks for; empty: there is none.
  static Format format_for(std::string_view accept);
  static std::string_view content_type(Format format);

  using Labels = std::initializer_list<std::string_view>;  // values, in the order of the metric

  explicit Exposition(Format format) : format_(format) {}

  /// The samples up to the next begin() are this metric's. It outlives them.
  void begin(const Metric& metric);
  void sample(Labels labels, std::uint64_t value);
  void sample(Labels labels, double value);
  void sample(Labels labels, const DurationSums& durations);
  std::string finish();

 private:
  void line(std::string_view suffix, Labels labels, std::string_view bound, std::string_view value);

  const Format format_;
  const Metric* metric_ = nullptr;
  std::string text_;
};

}  // namespace parsec::engine
