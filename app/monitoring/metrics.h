// Every metric of the server: app/administration.md §2 lists them, and a test compares.
#pragma once

#include <cstddef>
#include <string>

#include "app/monitoring/monitor.h"
#include "engine/metrics/exposition.h"

namespace parsec::app {

/// What a scrape is made from.
struct MetricSources {
  const Readiness& readiness;
  std::size_t stalled = 0;                // threads
  const MonitoredParts* parts = nullptr;  // null: the server starts, and has little to tell
};

/// Appends all of them. Any thread; the parts stay as long.
void write_metrics(engine::Exposition& out, const MetricSources& sources);

/// A line for each metric, `name type labels`, in their order.
std::string metrics_listing();

}  // namespace parsec::app
