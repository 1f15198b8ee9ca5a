#include "engine/metrics/exposition.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace parsec::engine {
namespace {

constexpr std::string_view total = "_total";
constexpr std::string_view openmetrics_type = "application/openmetrics-text";

void append_escaped(std::string& out, std::string_view text, bool with_quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (c == '"' && with_quotes)) out += '\\';
    out += c;
  }
}

/// A floating point number as both formats read it: always with a point or an exponent, so that the
/// bound of a bucket is the same series in both.
std::string number(double value) {
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (std::isnan(value)) return "NaN";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// What stands before the next `separator`, which is taken away, too.
std::string_view cut(std::string_view& rest, char separator) {
  const auto part = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return trimmed(part);
}

bool is_same_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// RFC 9110 §12.4.2: `0`, `0.000`.
bool is_zero(std::string_view weight) {
  return !weight.empty() && weight.find_first_not_of("0.") == weight.npos;
}

}  // namespace

std::string_view name(MetricType type) {
  constexpr std::array<std::string_view, 3> names{"counter", "gauge", "histogram"};
  return names[static_cast<std::size_t>(type)];
}

Exposition::Format Exposition::format_for(std::string_view accept) {
  while (!accept.empty()) {
    auto range = cut(accept, ',');
    if (!is_same_ignoring_case(cut(range, ';'), openmetrics_type)) continue;
    bool is_wanted = true;
    while (!range.empty()) {
      auto value = cut(range, ';');
      const auto key = cut(value, '=');
      if (is_same_ignoring_case(key, "version")) is_wanted &= value == "1.0.0";
      if (is_same_ignoring_case(key, "q")) is_wanted &= !is_zero(value);
    }
    if (is_wanted) return Format::openmetrics;
  }
  return Format::text;
}

std::string_view Exposition::content_type(Format format) {
  return format == Format::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

void Exposition::begin(const Metric& metric) {
  metric_ = &metric;
  std::string_view family = metric.name;
  if (format_ == Format::openmetrics && metric.type == MetricType::counter) {
    assert(family.ends_with(total));
    family.remove_suffix(total.size());
  }
  text_.append("# HELP ").append(family).append(" ");
  append_escaped(text_, metric.help, format_ == Format::openmetrics);
  text_.append("\n# TYPE ").append(family).append(" ").append(engine::name(metric.type));
  text_ += '\n';
}

void Exposition::line(std::string_view suffix, Labels labels, std::string_view bound,
                      std::string_view value) {
  text_.append(metric_->name).append(suffix);
  char separator = '{';
  const auto label = [&](std::string_view key, std::string_view text) {
    text_ += separator;
    separator = ',';
    text_.append(key).append("=\"");
    append_escaped(text_, text, true);
    text_ += '"';
  };
  assert(labels.size() <= Metric::most_labels);
  for (std::size_t i = 0; i < labels.size(); ++i) label(metric_->labels[i], labels.begin()[i]);
  if (!bound.empty()) label("le", bound);
  if (separator == ',') text_ += '}';
  text_.append(" ").append(value).append("\n");
}

void Exposition::sample(Labels labels, std::uint64_t value) {
  line({}, labels, {}, std::to_string(value));
}

void Exposition::sample(Labels labels, double value) { line({}, labels, {}, number(value)); }

void Exposition::sample(Labels labels, const DurationSums& durations) {
  std::uint64_t up_to_here = 0;
  for (std::size_t i = 0; i < durations.counts.size(); ++i) {
    up_to_here += durations.counts[i];
    const bool is_last = i == DurationSums::bounds.size();
    line("_bucket", labels, is_last ? "+Inf" : number(DurationSums::bounds[i]),
         std::to_string(up_to_here));
  }
  line("_sum", labels, {}, number(static_cast<double>(durations.nanoseconds) / 1e9));
  line("_count", labels, {}, std::to_string(up_to_here));
}

std::string Exposition::finish() {
  if (format_ == Format::openmetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace parsec::engine
