// Whether notifications reach the listener: who notifies takes a ticket, the listener says what it
// heard. Any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace parsec::db {

class Probe {
 public:
  /// Not the channel of the contract: every server on the database would read what it cannot.
  static constexpr const char* channel = "parsec_ext_probe";

  Probe();

  struct Ticket {
    bool listening = false;
    std::string token;  // payload of the notification, unlike those of other processes
    std::uint64_t session = 0;
  };
  Ticket begin();
  enum class Result : std::uint8_t {
    heard,
    missing,
    untold,  // the listener lost its connection meanwhile, or stop() was called
  };
  Result wait(const Ticket& ticket, std::chrono::milliseconds limit);
  /// The listener gives up its connection.
  void report_missing();
  void stop();

  // The listener's.
  void on_listening(bool listening);
  void on_notification(std::string_view token);
  bool take_missing();
  void set_alarm(std::function<void()> alarm);  // wakes the listener

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::string prefix_;
  std::function<void()> alarm_;
  std::uint64_t number_ = 0;
  std::uint64_t session_ = 0;  // counts the listener's connections
  std::string heard_;
  bool listening_ = false;
  bool missing_ = false;
  bool stopping_ = false;
};

}  // namespace parsec::db
