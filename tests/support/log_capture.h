// What the process logs, kept for the test instead of written: the default logger is replaced until
// the end of the capture.
#pragma once

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace parsec::testing {

class LogCapture {
 public:
  LogCapture() : sink_(std::make_shared<Sink>()), before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>("", sink_);
    logger->set_level(spdlog::level::debug);
    spdlog::set_default_logger(std::move(logger));
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// One message a line.
  std::string text() const {
    const std::lock_guard lock{sink_->lines_mutex};
    return sink_->lines;
  }
  /// Waits until it is logged. False: the time is over.
  bool await(std::string_view words) const {
    std::unique_lock lock{sink_->lines_mutex};
    return sink_->changed.wait_for(lock, std::chrono::seconds{30},
                                   [&] { return sink_->lines.find(words) != std::string::npos; });
  }
  std::size_t count(std::string_view words) const {
    const std::string all = text();
    std::size_t number = 0;
    for (auto at = all.find(words); at != all.npos; at = all.find(words, at + 1)) ++number;
    return number;
  }

 private:
  struct Sink final : spdlog::sinks::base_sink<std::mutex> {
    void sink_it_(const spdlog::details::log_msg& message) override {
      const std::lock_guard lock{lines_mutex};
      lines.append(message.payload.data(), message.payload.size());
      lines += '\n';
      changed.notify_all();
    }
    void flush_() override {}

    std::mutex lines_mutex;
    std::condition_variable changed;
    std::string lines;
  };

  std::shared_ptr<Sink> sink_;
  std::shared_ptr<spdlog::logger> before_;
};

}  // namespace parsec::testing
