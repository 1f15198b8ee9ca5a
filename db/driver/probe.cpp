#include "db/driver/probe.h"

#include <fmt/format.h>

#include <random>
#include <utility>

namespace parsec::db {

Probe::Probe()
    : prefix_(fmt::format("{:08x}{:08x}", std::random_device{}(), std::random_device{}())) {}

Probe::Ticket Probe::begin() {
  const std::lock_guard lock{mutex_};
  return {listening_, fmt::format("{}-{}", prefix_, ++number_), session_};
}

Probe::Result Probe::wait(const Ticket& ticket, std::chrono::milliseconds limit) {
  std::unique_lock lock{mutex_};
  const auto is_untold = [&] { return stopping_ || !listening_ || session_ != ticket.session; };
  changed_.wait_for(lock, limit, [&] { return heard_ == ticket.token || is_untold(); });
  if (heard_ == ticket.token) return Result::heard;
  return is_untold() ? Result::untold : Result::missing;
}

void Probe::report_missing() {
  const std::lock_guard lock{mutex_};
  missing_ = true;
  if (alarm_) alarm_();
}

void Probe::stop() {
  const std::lock_guard lock{mutex_};
  stopping_ = true;
  alarm_ = nullptr;
  changed_.notify_all();
}

void Probe::on_listening(bool listening) {
  const std::lock_guard lock{mutex_};
  listening_ = listening;
  missing_ = false;
  if (listening) ++session_;
  changed_.notify_all();
}

void Probe::on_notification(std::string_view token) {
  const std::lock_guard lock{mutex_};
  if (!token.starts_with(prefix_)) return;
  heard_ = token;
  changed_.notify_all();
}

bool Probe::take_missing() {
  const std::lock_guard lock{mutex_};
  return std::exchange(missing_, false);
}

void Probe::set_alarm(std::function<void()> alarm) {
  const std::lock_guard lock{mutex_};
  alarm_ = std::move(alarm);
}

}  // namespace parsec::db
