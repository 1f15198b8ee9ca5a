#include "app/backend/logging.h"

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <string_view>
#include <utility>

#include "app/backend/log_line.h"
#include "engine/host/log.h"
#include "engine/host/log_record.h"

namespace parsec::app {
namespace {

using Level = LogConfiguration::Level;

/// Messages on their way: a burst of this size is kept, at some 300 bytes each.
constexpr std::size_t queue_messages = 8192;

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::critical:
      return spdlog::level::critical;
  }
  return spdlog::level::off;
}

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warning";
    case spdlog::level::err:
      return "error";
    case spdlog::level::critical:
      return "critical";
    default:
      return "trace";
  }
}

/// Filters, formats and writes; on the log's thread alone.
class LineSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// file: an open descriptor, closed at the end if it is not stderr.
  LineSink(const LogConfiguration& configuration, int file)
      : format_(configuration.format), file_(file) {
    if (!configuration.filter.empty()) filter_.emplace(configuration.filter);
  }
  ~LineSink() override {
    if (file_ != STDERR_FILENO) ::close(file_);
  }
  LineSink(const LineSink&) = delete;
  LineSink& operator=(const LineSink&) = delete;

  /// The queue whose thread calls this sink, so that it outlives every call. Not a shared pointer,
  /// not for a moment: were it the last one, the queue would end on its own thread, which cannot
  /// wait for itself, and what it holds would be lost.
  void watch(spdlog::details::thread_pool& queue) { queue_ = &queue; }

  /// Takes the descriptor over; between two lines. Any thread.
  void change_file(int file) {
    const std::lock_guard lock{mutex_};
    ::close(std::exchange(file_, file));
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    report_lost();
    const std::string_view payload{message.payload.data(), message.payload.size()};
    if (passes(sentence_of(payload))) write({message.time, level_name(message.level), payload});
  }
  void flush_() override {}  // each line is written at once

  bool passes(std::string_view text) const {
    // The library's matcher recurses for each character: a long message is judged by its start.
    constexpr std::size_t searched_bytes = 4096;
    text = text.substr(0, searched_bytes);
    return !filter_ || std::regex_search(text.begin(), text.end(), *filter_);
  }

  void report_lost() {
    const std::size_t lost = queue_->overrun_counter();
    if (lost == lost_) return;
    log::RecordWriter record{"Log messages were lost"};
    fmt::format_to(record.sentence(),
                   "{} messages were lost: the log could not be written fast enough", lost - lost_);
    record.end_sentence();
    record.member("count", lost - lost_);
    lost_ = lost;
    write({std::chrono::system_clock::now(), "warning", record.payload()});
  }

  void write(const LogEntry& entry) {
    line_.clear();
    append_log_line(line_, format_, entry);
    for (std::string_view rest = line_; !rest.empty();) {
      const ssize_t written = ::write(file_, rest.data(), rest.size());
      if (written < 0 && errno != EINTR) return;  // a full disk must not end the server
      if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  LogConfiguration::Format format_;
  int file_;
  std::optional<std::regex> filter_;
  spdlog::details::thread_pool* queue_ = nullptr;
  std::size_t lost_ = 0;
  std::string line_;
};

std::expected<int, std::string> open_file(const std::string& path) {
  if (path.empty()) return STDERR_FILENO;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (file >= 0) return file;
  return std::unexpected{"Cannot write the log file " + path + ": " + std::strerror(errno)};
}

}  // namespace

std::expected<Logging, std::string> Logging::start(const LogConfiguration& configuration) {
  const auto file = open_file(configuration.file);
  if (!file) return std::unexpected{file.error()};
  auto sink = std::make_shared<LineSink>(configuration, *file);
  auto queue = std::make_shared<spdlog::details::thread_pool>(queue_messages, 1, [] {
    sigset_t all;  // signals are for the main thread
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ::pthread_setname_np(::pthread_self(), "log");
  });
  sink->watch(*queue);
  log::want_records(configuration.format == LogConfiguration::Format::json);
  auto logger = std::make_shared<spdlog::async_logger>(
      "parsec", sink, queue, spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog_level(configuration.level));
  spdlog::details::registry::instance().set_tp(std::move(queue));
  Logging logging{spdlog::default_logger(), configuration.file};
  spdlog::set_default_logger(std::move(logger));
  return logging;
}

void Logging::reopen() {
  if (file_.empty()) return;
  const auto file = open_file(file_);
  if (!file) {
    return log::error("The log file cannot be reopened", "{}: the log goes on in the old file",
                      log::field("reason", file.error()));
  }
  const auto sink = std::static_pointer_cast<LineSink>(spdlog::default_logger()->sinks().front());
  sink->change_file(*file);
}

Logging::~Logging() {
  if (!before_) return;
  spdlog::set_default_logger(std::move(before_));
  log::want_records(false);
  spdlog::details::registry::instance().set_tp(nullptr);  // which works off its queue, and joins
}

}  // namespace parsec::app
