// A running Database over a database of its own, one shard that is the test itself, and functions
// that are plain SQL: what the driver does is visible in a table.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"
#include "db/driver/connection.h"
#include "engine/queues/waker.h"
#include "tests/support/private_postgres.h"

namespace parsec::db {

/// Remembers everything it is told, as text, in order.
class RecordingSink final : public NotificationSink {
 public:
  void on_notification(std::string_view payload) override { add(std::string{payload}); }
  void on_fence(std::uint32_t shard, std::uint64_t token, bool kept) override {
    add("fence " + std::to_string(shard) + "/" + std::to_string(token) + (kept ? "" : " broken"));
  }
  void on_gap() override { add("gap"); }
  void on_batch_end() override {}

  std::vector<std::string> heard() const {
    const std::lock_guard lock{mutex_};
    return heard_;
  }
  bool has(std::string_view what) const;
  std::size_t count(std::string_view what) const;

 private:
  void add(std::string what) {
    const std::lock_guard lock{mutex_};
    heard_.push_back(std::move(what));
  }

  mutable std::mutex mutex_;
  std::vector<std::string> heard_;
};

/// Polls until it is true; false after the limit.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds limit = std::chrono::seconds{20});

/// Settings whose deadlines a test can wait for.
Settings test_settings(const std::string& conninfo);

class TestDatabase {
 public:
  /// conninfo of a migrated database.
  explicit TestDatabase(const std::string& conninfo) : TestDatabase(test_settings(conninfo)) {}
  explicit TestDatabase(const Settings& settings);
  ~TestDatabase() { database->stop(); }

  using Fill = std::function<void(Request&)>;

  /// Submits without waiting; returns the tag its reply will have.
  std::uint64_t submit(const Function& function, std::uint64_t route, const Fill& fill = {});
  /// Waits for the replies of all that was submitted.
  void finish(std::chrono::milliseconds limit = std::chrono::seconds{20});
  /// Replies that are there already.
  void poll();

  struct Reply {
    Outcome outcome = Outcome::unavailable;
    std::string sqlstate;
    std::string text;  // row 0, column 0
    std::int64_t integer = 0;
  };
  Reply call(const Function& function, std::uint64_t route, const Fill& fill = {});
  const Reply& reply(std::uint64_t tag) const { return replies.at(tag); }
  std::size_t count(Outcome outcome) const;
  std::uint64_t counter(std::string_view name) const;

  RecordingSink sink;
  engine::Waker waker;
  std::unique_ptr<Database> database;
  std::map<std::uint64_t, Reply> replies;
  std::vector<std::uint64_t> order;  // of the replies
  std::size_t under_way = 0;

 private:
  std::uint64_t next_tag_ = 1;
};

/// A migrated database with a table `log (_id serial, key bigint, note text)` and functions on it
/// in the schema parsec_ext: see database_fixture.cpp.
std::string database_with_log();

extern const Function add_shared;   // ($1 key, $2 note): adds to the log, gives its number
extern const Function add_solo;     // likewise
extern const Function log_size;     // a read
extern const Function fail_if;      // ($1 key, $2 note): as add_shared, but raises when note is 'x'
extern const Function notify_note;  // ($1 payload), shared: notifies
extern const Function set_add;  // ($1 key, $2 note): as add_shared; in a set, too, which fails at
                                // 'x', and leaves 'alone' to a call alone
extern const Function set_double;  // ($1 key): twice the key, as text: a read, in a set, too
extern const Function echo;        // every kind of parameter, as text: a read

void fill_log(Request& request, std::int64_t key, std::string_view note);

}  // namespace parsec::db
