// Tells how far a row of measurements is and when it will be done: on a terminal in one line that
// is written anew, else in plain lines.
//
// ProgressDriver tells it of every measurement of the driver behind it. How many there will be is
// only an estimate while something is searched for. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "bench/driver.h"

namespace parsec::bench {

struct ProgressOptions {
  bool terminal = false;
  /// Since any fixed moment.
  std::function<std::chrono::nanoseconds()> now;
};

/// The clock of this machine, and whether standard error is a terminal.
ProgressOptions progress_to_stderr();

class Progress {
 public:
  /// out outlives it.
  Progress(std::ostream& out, ProgressOptions options);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// So many measurements are still to come; nullopt: nobody knows.
  void expect(std::optional<std::uint32_t> measurements) { left_ = measurements; }
  /// One begins, and takes about `length`.
  void begin(const std::string& what, std::chrono::nanoseconds length);
  void end();
  /// Makes room for a line of somebody else's.
  void clear();

 private:
  std::ostream& out_;
  const ProgressOptions options_;
  const std::chrono::nanoseconds start_;
  std::optional<std::uint32_t> left_;
  std::uint32_t done_ = 0;
  bool on_line_ = false;
};

class ProgressDriver : public Driver {
 public:
  /// Both outlive it.
  ProgressDriver(Driver& driver, Progress& progress) : driver_(driver), progress_(progress) {}
  std::expected<Measurement, std::string> measure(const Load& load) override;

 private:
  Driver& driver_;
  Progress& progress_;
};

}  // namespace parsec::bench
