// What this process takes of the machine, as Prometheus' client libraries tell it.
#pragma once

#include <cstdint>

namespace parsec::app {

struct ProcessUsage {
  double start_time = 0;   // seconds since 1970
  double cpu_seconds = 0;  // of all threads, user and system
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t most_open_files = 0;

  /// Now. What cannot be read is 0.
  static ProcessUsage read();
};

}  // namespace parsec::app
