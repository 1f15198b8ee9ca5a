// Clients that write vlobs without pause, and remember what they were told; and clients that
// listen.
//
// Every write has a blob of its own, so that one which is lost, or done twice, is found in the
// database afterwards (check_database). Each client has a thread: what happens to the server is the
// test's business, which watches them through the functions here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/deployment.h"
#include "tests/support/database_probe.h"

namespace parsec::testing {

/// The longest that a request may go without a reply or the end of its connection.
inline constexpr Duration hang_limit{20'000};

/// What clients saw that must not be; from any thread.
class Complaints {
 public:
  void add(std::string text);
  /// The first few, one per line; empty if there is none.
  std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

struct Write {
  Uuid vlob_id;
  std::int64_t version = 1;
  Octets blob;
  bool acknowledged = false;  // else the connection ended first: done or not, nobody knows
};

class Writers {
 public:
  /// They begin at once. All are alice, and share the realms.
  Writers(std::shared_ptr<Organization> organization, std::vector<Uuid> realms, unsigned count);
  ~Writers();
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  /// Each has one more write acknowledged; how long that took, in ms. nullopt: not in time.
  std::optional<std::int64_t> await_everybody(Duration limit = 10s);
  bool await_acknowledged(std::uint64_t more, Duration limit = 10s);
  void stop();

  std::uint64_t acknowledged() const;
  std::uint64_t lost_connections() const { return lost_connections_; }
  /// The longest that a request had no answer of any kind, in ms.
  std::int64_t longest_wait() const { return longest_wait_; }
  Complaints& complaints() { return complaints_; }

  /// Once they stopped.
  std::vector<Write> writes() const;

 private:
  struct Writer;
  struct OwnVlob {
    Uuid vlob_id;
    std::int64_t version;
  };

  void run(Writer& writer);
  void write_until_stopped(Writer& writer, Session& session);
  void check_last_write(Writer& writer, Session& session);
  Document timed_call(Session& session, std::string_view cmd, const Map& fields);
  bool stopping() const { return stopping_.load(); }

  const std::shared_ptr<Organization> organization_;
  const std::vector<Uuid> realms_;
  Complaints complaints_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> lost_connections_ = 0;
  std::atomic<std::int64_t> longest_wait_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a write was acknowledged, or stop
  std::vector<std::unique_ptr<Writer>> writers_;
};

/// A subscribed device that may read the realms and hears of every write in them. While one
/// connection lasts, no checkpoint may be left out: an event that was missed must have ended it.
class Observer {
 public:
  Observer(std::shared_ptr<Organization> organization, Device device, std::vector<Uuid> realms);
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// Subscriptions so far: one for each connection that came that far.
  std::uint64_t subscriptions() const;
  bool await_subscription(std::uint64_t more_than, Duration limit = 10s);
  /// Knows, by events or by asking after it subscribed, of everything up to these checkpoints.
  bool await_checkpoints(const std::map<Uuid, std::int64_t>& checkpoints, Duration limit = 10s);
  void stop();

  struct Heard {
    Uuid realm_id;
    std::int64_t checkpoint;
    Uuid vlob_id;
    std::int64_t version;
    auto operator<=>(const Heard&) const = default;
  };
  /// Once it stopped.
  const std::vector<Heard>& heard() const { return heard_; }
  Complaints& complaints() { return complaints_; }

 private:
  void run();
  void listen_until_stopped(Session& session);
  void note(const Document& event, const std::map<Uuid, std::int64_t>& asked,
            std::map<Uuid, std::int64_t>& last_heard);

  const std::shared_ptr<Organization> organization_;
  const Device device_;
  const std::vector<Uuid> realms_;
  Complaints complaints_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t subscriptions_ = 0;
  std::map<Uuid, std::int64_t> known_;  // checkpoints
  std::vector<Heard> heard_;
  std::thread thread_;
};

/// What the database holds against what the clients were told.
struct DatabaseCheck {
  std::string complaints;  // empty: nothing lost, nothing twice, no gaps
  std::map<Uuid, std::int64_t> checkpoints;
  std::vector<Observer::Heard> updates;  // sorted
  std::uint64_t rows = 0;
  std::uint64_t in_doubt = 0;  // writes without an answer…
  std::uint64_t in_doubt_done = 0;
};
DatabaseCheck check_database(DatabaseProbe& database, const std::string& organization_id,
                             const std::vector<Write>& writes);

}  // namespace parsec::testing
