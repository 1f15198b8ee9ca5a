#include "tests/faults/background_client.h"

#include <algorithm>

namespace parsec::testing {

BackgroundClient::BackgroundClient(std::shared_ptr<Organization> organization, Work work)
    : organization_(std::move(organization)), work_(work), thread_([this] { run(); }) {}

void BackgroundClient::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void BackgroundClient::run() {
  std::string failure;
  try {
    Session session = organization_->connect(organization_->alice());
    work(session);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  const std::scoped_lock lock{mutex_};
  failure_ = failure;
  ended_ = true;
  changed_.notify_all();
}

void BackgroundClient::work(Session& session) {
  const auto timed = [this](const auto& request) {
    const auto started = Clock::now();
    request();
    const auto took = Clock::now() - started;
    latencies_.push_back(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  };
  Uuid vlob_id;
  std::int64_t version = 1;
  if (work_ == Work::all) vlob_id = session.create_vlob(session.create_realm(), "1"_bin);
  while (!stopping_) {
    timed([&] { session.ping(); });
    if (work_ == Work::all) {
      ++version;
      timed([&] { session.update_vlob(vlob_id, version, Octets{std::to_string(version)}); });
      timed([&] {
        const Document read =
            session.require("vlob_read", {{"encryption_revision", 1}, {"vlob_id", vlob_id}});
        if (read["version"] != Document(version)) throw ClientError("read " + to_text(read));
      });
    }
    const std::scoped_lock lock{mutex_};
    ++rounds_;
    changed_.notify_all();
  }
}

bool BackgroundClient::await_rounds(std::uint64_t more, Duration limit) {
  std::unique_lock lock{mutex_};
  const std::uint64_t wanted = rounds_ + more;
  changed_.wait_for(lock, limit, [&] { return ended_ || rounds_ >= wanted; });
  return rounds_ >= wanted;
}

std::uint64_t BackgroundClient::rounds() const {
  const std::scoped_lock lock{mutex_};
  return rounds_;
}

std::int64_t BackgroundClient::slowest() const {
  return latencies_.empty() ? 0 : *std::ranges::max_element(latencies_);
}

std::int64_t BackgroundClient::median() const {
  if (latencies_.empty()) return 0;
  std::vector<std::int64_t> sorted = latencies_;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::ranges::nth_element(sorted, middle);
  return *middle;
}

}  // namespace parsec::testing
