#include "tests/faults/writers.h"

#include <algorithm>
#include <random>
#include <set>

namespace parsec::testing {
namespace {

/// Before a client whose connection ended tries again.
constexpr Duration reconnect_pause{20};

std::string hex(Uuid id) { return to_text(Document(id)); }

}  // namespace

// --- Complaints ----------------------------------------------------------------------------------

void Complaints::add(std::string text) {
  const std::scoped_lock lock{mutex_};
  texts_.push_back(std::move(text));
}

std::string Complaints::text() const {
  constexpr std::size_t shown = 10;
  const std::scoped_lock lock{mutex_};
  std::string all;
  for (std::size_t i = 0; i < std::min(shown, texts_.size()); ++i) all += texts_[i] + "\n";
  if (texts_.size() > shown) all += "and " + std::to_string(texts_.size() - shown) + " more\n";
  return all;
}

// --- Writers -------------------------------------------------------------------------------------

struct Writers::Writer {
  unsigned number = 0;
  std::minstd_rand random;
  std::vector<OwnVlob> vlobs;  // nobody else writes them, and none has a write in doubt
  std::vector<Write> writes;
  std::optional<std::size_t> last_acknowledged;
  std::uint64_t acknowledged = 0;  // under the mutex
  std::thread thread;
};

Writers::Writers(std::shared_ptr<Organization> organization, std::vector<Uuid> realms,
                 unsigned count)
    : organization_(std::move(organization)), realms_(std::move(realms)) {
  for (unsigned i = 0; i < count; ++i) {
    auto writer = std::make_unique<Writer>();
    writer->number = i;
    writer->random.seed(i + 1);
    writers_.push_back(std::move(writer));
  }
  for (const auto& writer : writers_) {
    writer->thread = std::thread{[this, &own = *writer] { run(own); }};
  }
}

Writers::~Writers() { stop(); }

void Writers::stop() {
  {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  for (const auto& writer : writers_) {
    if (writer->thread.joinable()) writer->thread.join();
  }
}

void Writers::run(Writer& writer) {
  while (!stopping()) {
    const auto started = Clock::now();
    try {
      Session session = organization_->connect(organization_->alice());
      check_last_write(writer, session);
      write_until_stopped(writer, session);
    } catch (const ConnectionEnded&) {
      ++lost_connections_;
    } catch (const TimedOut& error) {
      complaints_.add("no reply, and no end: " + std::string{error.what()} + " after " +
                      std::to_string(milliseconds_since(started)) + " ms");
    } catch (const ClientError& error) {
      const std::string_view text = error.what();
      if (!text.starts_with("connect to port")) complaints_.add(error.what());
    }
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, reconnect_pause, [this] { return stopping(); });
  }
}

Document Writers::timed_call(Session& session, std::string_view cmd, const Map& fields) {
  struct Stopwatch {
    std::atomic<std::int64_t>& longest;
    Clock::time_point started = Clock::now();
    ~Stopwatch() {  // also when the connection ended
      const std::int64_t took = milliseconds_since(started);
      for (std::int64_t known = longest; took > known;) {
        if (longest.compare_exchange_weak(known, took)) break;
      }
    }
  } const stopwatch{longest_wait_};
  return session.call(cmd, fields, hang_limit);
}

/// What was acknowledged before the connection was lost is there, whoever serves now.
void Writers::check_last_write(Writer& writer, Session& session) {
  if (!writer.last_acknowledged) return;
  const Write& last = writer.writes[*writer.last_acknowledged];
  const Document got = timed_call(
      session, "vlob_read",
      {{"encryption_revision", 1}, {"vlob_id", last.vlob_id}, {"version", last.version}});
  if (got["status"] != Document("ok") || got["blob"] != Document(last.blob)) {
    complaints_.add("acknowledged, then gone: " + to_text(got));
  }
}

void Writers::write_until_stopped(Writer& writer, Session& session) {
  constexpr std::size_t vlobs_at_once = 8;
  while (!stopping()) {
    const bool create = writer.vlobs.size() < 2 || writer.random() % 4 == 0;
    OwnVlob vlob{new_uuid(), 0};
    if (!create) {
      const std::size_t chosen = writer.random() % writer.vlobs.size();
      std::swap(writer.vlobs[chosen], writer.vlobs.back());
      vlob = writer.vlobs.back();
      writer.vlobs.pop_back();
    }
    ++vlob.version;
    // Booked before it is sent; the vlob is given up if no answer comes.
    writer.writes.push_back({vlob.vlob_id, vlob.version,
                             Octets{"writer " + std::to_string(writer.number) + " write " +
                                    std::to_string(writer.writes.size()) + random_hex(4)},
                             false});
    const Octets& blob = writer.writes.back().blob;
    const Uuid realm_id = realms_[writer.random() % realms_.size()];
    const Map fields = create ? Map{{"realm_id", realm_id},
                                    {"encryption_revision", 1},
                                    {"vlob_id", vlob.vlob_id},
                                    {"timestamp", now()},
                                    {"blob", blob}}
                              : Session::update_fields(vlob.vlob_id, vlob.version, blob);
    const Document reply = timed_call(session, create ? "vlob_create" : "vlob_update", fields);
    if (reply["status"] != Document("ok")) {
      complaints_.add(to_text(fields) + " was answered " + to_text(reply));
      continue;
    }
    writer.writes.back().acknowledged = true;
    writer.last_acknowledged = writer.writes.size() - 1;
    if (writer.vlobs.size() < vlobs_at_once) writer.vlobs.push_back(vlob);
    const std::scoped_lock lock{mutex_};
    ++writer.acknowledged;
    changed_.notify_all();
  }
}

std::optional<std::int64_t> Writers::await_everybody(Duration limit) {
  const auto started = Clock::now();
  std::unique_lock lock{mutex_};
  std::vector<std::uint64_t> before;
  for (const auto& writer : writers_) before.push_back(writer->acknowledged);
  const bool done = changed_.wait_for(lock, limit, [&] {
    for (std::size_t i = 0; i < writers_.size(); ++i) {
      if (writers_[i]->acknowledged == before[i]) return false;
    }
    return true;
  });
  return done ? std::optional{milliseconds_since(started)} : std::nullopt;
}

std::uint64_t Writers::acknowledged() const {
  const std::scoped_lock lock{mutex_};
  std::uint64_t sum = 0;
  for (const auto& writer : writers_) sum += writer->acknowledged;
  return sum;
}

bool Writers::await_acknowledged(std::uint64_t more, Duration limit) {
  const std::uint64_t before = acknowledged();
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, limit, [&] {
    std::uint64_t sum = 0;
    for (const auto& writer : writers_) sum += writer->acknowledged;
    return sum >= before + more;
  });
}

std::vector<Write> Writers::writes() const {
  std::vector<Write> all;
  for (const auto& writer : writers_) {
    all.insert(all.end(), writer->writes.begin(), writer->writes.end());
  }
  return all;
}

// --- Observer ------------------------------------------------------------------------------------

Observer::Observer(std::shared_ptr<Organization> organization, Device device,
                   std::vector<Uuid> realms)
    : organization_(std::move(organization)),
      device_(std::move(device)),
      realms_(std::move(realms)),
      thread_([this] { run(); }) {}

Observer::~Observer() { stop(); }

void Observer::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void Observer::run() {
  while (!stopping_) {
    try {
      Session session = organization_->connect(device_);
      listen_until_stopped(session);
    } catch (const ConnectionEnded&) {
      // What it is here to see.
    } catch (const ClientError& error) {
      const std::string_view text = error.what();
      if (!text.starts_with("connect to port")) complaints_.add(error.what());
    }
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, reconnect_pause, [this] { return stopping_.load(); });
  }
}

void Observer::listen_until_stopped(Session& session) {
  session.require("events_subscribe");
  std::map<Uuid, std::int64_t> asked;
  for (const Uuid realm_id : realms_) {
    const Document changes = session.require(
        "vlob_poll_changes", {{"realm_id", realm_id}, {"last_checkpoint", 1 << 30}});
    asked[realm_id] = changes["current_checkpoint"].integer();
  }
  {
    const std::scoped_lock lock{mutex_};
    ++subscriptions_;
    for (const auto& [realm_id, checkpoint] : asked) known_[realm_id] = checkpoint;
  }
  changed_.notify_all();
  std::map<Uuid, std::int64_t> last_heard;
  session.start("events_listen");
  while (!stopping_) {
    const auto message = session.poll(100ms);
    if (!message) continue;
    session.start("events_listen");
    note(unpack(message->payload), asked, last_heard);
  }
}

void Observer::note(const Document& event, const std::map<Uuid, std::int64_t>& asked,
                    std::map<Uuid, std::int64_t>& last_heard) {
  if (event["status"] != Document("ok")) return complaints_.add(to_text(event));
  if (event["event"] != Document("realm.vlobs_updated")) return;
  const Heard heard{event["realm_id"].uuid(), event["checkpoint"].integer(), event["src_id"].uuid(),
                    event["src_version"].integer()};
  const auto last = last_heard.find(heard.realm_id);
  const bool first = last == last_heard.end();
  const bool in_order = first ? heard.checkpoint <= asked.at(heard.realm_id) + 1
                              : heard.checkpoint == last->second + 1;
  if (!in_order) {
    complaints_.add("checkpoint " + std::to_string(heard.checkpoint) + " was heard after " +
                    std::to_string(first ? asked.at(heard.realm_id) : last->second));
  }
  last_heard[heard.realm_id] = heard.checkpoint;
  heard_.push_back(heard);
  {
    const std::scoped_lock lock{mutex_};
    std::int64_t& known = known_[heard.realm_id];
    known = std::max(known, heard.checkpoint);
  }
  changed_.notify_all();
}

std::uint64_t Observer::subscriptions() const {
  const std::scoped_lock lock{mutex_};
  return subscriptions_;
}

bool Observer::await_subscription(std::uint64_t more_than, Duration limit) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, limit, [&] { return subscriptions_ > more_than; });
}

bool Observer::await_checkpoints(const std::map<Uuid, std::int64_t>& checkpoints, Duration limit) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, limit, [&] {
    return std::ranges::all_of(checkpoints,
                               [&](const auto& one) { return known_[one.first] >= one.second; });
  });
}

// --- The database --------------------------------------------------------------------------------

DatabaseCheck check_database(DatabaseProbe& database, const std::string& organization_id,
                             const std::vector<Write>& writes) {
  DatabaseCheck check;
  Complaints complaints;
  std::map<Octets, const Write*> expected;
  for (const Write& write : writes) expected.emplace(write.blob, &write);

  std::map<Uuid, std::int64_t> newest;  // versions
  std::set<Octets> found;
  // By checkpoint, so that the versions of a vlob must come in their order.
  const auto rows = database.rows(
      "SELECT vlob_id, version, blob, realm_id, index FROM vlob_atom "
      "JOIN organization ON organization._id = vlob_atom.organization "
      "LEFT JOIN realm_vlob_update ON vlob_atom = vlob_atom._id "
      "LEFT JOIN realm ON realm._id = realm_vlob_update.realm "
      "WHERE organization_id = $1 ORDER BY realm_id, index",
      {organization_id});
  for (const Map& columns : rows) {
    const Document row = columns;
    const std::string text = to_text(row);
    ++check.rows;
    if (row["index"].is_nil()) {
      complaints.add("without a checkpoint: " + text);
      continue;
    }
    const Uuid vlob_id = row["vlob_id"].uuid();
    const std::int64_t version = row["version"].integer();
    if (version != ++newest[vlob_id]) complaints.add("a gap in the versions: " + text);
    const Uuid realm_id = row["realm_id"].uuid();
    const std::int64_t checkpoint = row["index"].integer();
    if (checkpoint != ++check.checkpoints[realm_id]) {
      complaints.add("a gap in the checkpoints: " + text);
    }
    check.updates.push_back({realm_id, checkpoint, vlob_id, version});

    const Octets& blob = row["blob"].octets();
    if (!found.insert(blob).second) complaints.add("twice: " + text);
    const auto write = expected.find(blob);
    if (write == expected.end()) {
      complaints.add("written by nobody: " + text);
    } else if (write->second->vlob_id != vlob_id || write->second->version != version) {
      complaints.add("not where it was written: " + text);
    }
  }
  for (const Write& write : writes) {
    const bool is_there = found.contains(write.blob);
    if (write.acknowledged && !is_there) {
      complaints.add("lost: " + hex(write.vlob_id) + " version " + std::to_string(write.version));
    }
    if (write.acknowledged) continue;
    ++check.in_doubt;
    if (is_there) ++check.in_doubt_done;
  }
  std::ranges::sort(check.updates);
  check.complaints = complaints.text();
  return check;
}

}  // namespace parsec::testing
