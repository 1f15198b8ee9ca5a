// The process's log: where engine/host/log.h writes to, while a Logging lives.
//
// Asynchronous, because a shard must not wait for a disk or for a terminal: a log call formats its
// message and puts it into a bounded queue; one thread filters, formats the line and writes. When
// that thread falls behind, the oldest messages give way and their number is logged.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <utility>

#include "app/command_line/configuration.h"

namespace spdlog {
class logger;
}

namespace parsec::app {

class Logging {
 public:
  /// The error is a sentence for the user: the file cannot be opened.
  static std::expected<Logging, std::string> start(const LogConfiguration& configuration);

  /// Goes on in a new file of the same name: after the old one was renamed (logrotate(8)). If that
  /// cannot be opened, in the old one, and it says so. Any thread.
  void reopen();

  /// Writes what is queued.
  ~Logging();
  Logging(Logging&& other) noexcept = default;
  Logging& operator=(Logging&&) = delete;

 private:
  Logging(std::shared_ptr<spdlog::logger> before, std::string file)
      : before_(std::move(before)), file_(std::move(file)) {}

  std::shared_ptr<spdlog::logger> before_;  // the logger that it stands in for; null: moved away
  std::string file_;                        // empty: stderr
};

}  // namespace parsec::app
