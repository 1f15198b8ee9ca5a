// The charts of a report. See html_report.h. Pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "bench/report/html_writer.h"
#include "bench/result.h"

namespace parsec::bench {

/// Latency over the rate that was asked for; more than one rung.
void draw_latency_over_rate(HtmlWriter& html, std::vector<const Rung*> rungs,
                            std::optional<std::chrono::nanoseconds> p99_bound);
/// Latency by share of the requests, for each command.
void draw_distribution(HtmlWriter& html, std::span<const Measurement> repeats);
/// Capacity over the count, with the law that fits it.
void draw_scaling(HtmlWriter& html, const ScalingSeries& series);
/// How busy generator, server, PostgreSQL and the machine were.
void draw_usage(HtmlWriter& html, std::span<const Measurement> repeats, std::uint32_t cores);

}  // namespace parsec::bench
