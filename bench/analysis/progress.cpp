#include "bench/analysis/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <ostream>

namespace parsec::bench {

namespace {

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

/// No more exact than it is known: 40 s, 3 min, 1 h 20 min.
std::string about(double remaining) {
  if (remaining < 90) return fmt::format("{:.0f} s", std::ceil(remaining));
  const auto minutes = static_cast<std::uint64_t>(std::ceil(remaining / 60));
  if (minutes < 90) return fmt::format("{} min", minutes);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

}  // namespace

ProgressOptions progress_to_stderr() {
  return {.terminal = ::isatty(STDERR_FILENO) == 1,
          .now = [] { return std::chrono::steady_clock::now().time_since_epoch(); }};
}

Progress::Progress(std::ostream& out, ProgressOptions options)
    : out_(out), options_(std::move(options)), start_(options_.now()) {}

Progress::~Progress() { clear(); }

void Progress::begin(const std::string& what, std::chrono::nanoseconds length) {
  std::string line = fmt::format("measurement {}", done_ + 1);
  if (left_ && *left_ > 0) line += fmt::format(" of {}", done_ + *left_);
  line += ": " + what;
  if (left_ && *left_ > 0) {
    // What those that are done took on average, preparations included, says more than the plan.
    const double each = done_ == 0 ? seconds(length) : seconds(options_.now() - start_) / done_;
    line += ", about " + about(each * *left_) + " left";
  } else {
    line += fmt::format(", {} so far", about(seconds(options_.now() - start_)));
  }
  if (options_.terminal) {
    out_ << "\r\x1b[K" << line;
    on_line_ = true;
  } else {
    out_ << line << '\n';
  }
  out_.flush();
}

void Progress::end() {
  ++done_;
  if (left_ && *left_ > 0) --*left_;
}

void Progress::clear() {
  if (!on_line_) return;
  out_ << "\r\x1b[K";
  out_.flush();
  on_line_ = false;
}

std::expected<Measurement, std::string> ProgressDriver::measure(const Load& load) {
  const std::string what = load.kind == Load::Kind::open
                               ? fmt::format("{:.0f} requests per second", load.rate)
                               : fmt::format("{} in flight", load.in_flight);
  progress_.begin(what, load.warm_up + load.duration);
  auto measured = driver_.measure(load);
  progress_.end();
  return measured;
}

}  // namespace parsec::bench
