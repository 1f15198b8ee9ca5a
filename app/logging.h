// The process's log: where engine/log.h writes to, while a Logging lives.
//
// Asynchronous, because a shard must not wait for a disk or for a terminal: a log call formats its
// message and puts it into a bounded queue; one thread filters, formats the line and writes. When
// that thread falls behind, the oldest messages give way and their number is logged.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <utility>

#include "app/configuration.h"
#include "engine/log.h"

namespace parsec::app {

class Logging {
 public:
  /// The error is a sentence for the user: the file cannot be opened.
  static std::expected<Logging, std::string> start(const LogConfiguration& configuration);

  /// Writes what is queued.
  ~Logging();
  Logging(Logging&& other) noexcept = default;
  Logging& operator=(Logging&&) = delete;

 private:
  explicit Logging(std::shared_ptr<spdlog::logger> before) : before_(std::move(before)) {}

  std::shared_ptr<spdlog::logger> before_;  // the logger that it stands in for; null: moved away
};

}  // namespace parsec::app
