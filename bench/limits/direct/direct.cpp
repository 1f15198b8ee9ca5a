#include "bench/limits/direct/direct.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/population/certificates.h"
#include "bench/population/payload.h"
#include "db/driver/connection.h"
#include "db/driver/request.h"
#include "db/functions/route.h"
#include "db/functions/vlob.h"
#include "db/schema/extensions.h"
#include "protocol/events/notification.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
using Clock = std::chrono::steady_clock;
using Done = std::expected<void, std::string>;

Uuid random_uuid(std::mt19937_64& random) {
  const std::array<std::uint64_t, 2> words{random(), random()};
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), words.data(), uuid.bytes.size());
  return uuid;
}

/// One that has a call under way, or waits for its connection's next batch.
class Client {
 public:
  Client(const DirectOptions& options, std::uint32_t number, std::mt19937_64& random)
      : options_(options),
        random_(random),
        device_(options.population.device(number)),
        organization_id_(options.population.organization_id(device_.organization)),
        device_id_(Population::device_id(device_)),
        realm_id_(options.population.realm_id(
            device_.organization,
            number / options.population.size().organizations % options.population.size().realms)),
        blob_(payload(options.bytes, number)),
        own_vlob_(random_uuid(random)) {}

  std::uint64_t route() const { return db::functions::route_of(organization_id_, realm_id_); }

  /// Fills call_ with what is needed before the first update; false: nothing is.
  bool prepare() {
    if (options_.command != Command::vlob_update) return false;
    create(own_vlob_);
    return true;
  }
  void next() {
    switch (options_.command) {
      case Command::vlob_create:
        return create(random_uuid(random_));
      case Command::vlob_update:
        return update();
      default:
        return read();
    }
  }
  const db::Request& call() const { return call_; }
  /// Its update was carried out.
  void done() { ++version_; }

 private:
  db::functions::Author author() const { return {organization_id_, device_id_}; }

  void create(const Uuid& vlob_id) {
    call_.reset();
    db::functions::vlob_create(call_, author(), realm_id_, written(vlob_id, 1),
                               notification(vlob_id, 1).bytes());
  }
  void update() {
    call_.reset();
    db::functions::vlob_update(call_, author(), realm_id_, written(own_vlob_, version_ + 1),
                               notification(own_vlob_, version_ + 1).bytes());
  }
  void read() {
    const PopulationSize& size = options_.population.size();
    const auto below = [this](std::uint32_t bound) {
      return static_cast<std::uint32_t>(random_() % bound);
    };
    const Uuid vlob_id =
        options_.population.vlob_id(device_.organization, below(size.realms), below(size.vlobs));
    call_.reset();
    db::functions::vlob_read(call_, author(), 1, vlob_id, std::nullopt, std::nullopt);
  }

  db::functions::VlobVersion written(const Uuid& vlob_id, std::int64_t version) const {
    return {.encryption_revision = 1,
            .vlob_id = vlob_id,
            .version = version,
            .created_on = now(),
            .blob = blob_};
  }
  /// As a server writes it, since others that share the database read it.
  protocol::Notification notification(const Uuid& vlob_id, std::int64_t version) const {
    protocol::Notification notification("realm.vlobs_updated", 6);
    notification.key("organization_id").str(organization_id_);
    notification.key("author").str(device_id_);
    notification.key("src_id").uuid(vlob_id);
    notification.key("src_version").integer(version);
    notification.key("realm_id");
    return notification;
  }

  const DirectOptions& options_;
  std::mt19937_64& random_;
  const DeviceNumber device_;
  const std::string organization_id_;
  const std::string device_id_;
  const Uuid realm_id_;
  const std::vector<std::byte> blob_;
  const Uuid own_vlob_;
  std::int64_t version_ = 0;
  db::Request call_;
};

/// A connection in pipeline mode, with its clients.
class Pipe {
 public:
  explicit Pipe(db::Connection connection) : connection_(std::move(connection)) {}

  void add(Client& client) { clients_.push_back(&client); }
  bool is_used() const { return !clients_.empty(); }
  int fd() const { return connection_.fd(); }
  std::uint64_t batches() const { return batches_; }

  Done open(const db::Function& function) {
    // Whose writes lock the same follow each other, in the one order that all servers take.
    std::ranges::sort(clients_, {}, &Client::route);
    const std::string sql = connection_.resolved(function.sql);
    PGresult* const prepared = PQprepare(native(), function.name, sql.c_str(), 0, nullptr);
    const bool is_prepared = PQresultStatus(prepared) == PGRES_COMMAND_OK;
    PQclear(prepared);
    if (!is_prepared || PQsetnonblocking(native(), 1) != 0 || PQenterPipelineMode(native()) != 1) {
      return failed();
    }
    return {};
  }

  /// The next batch of its clients, each filled by `fill`.
  template <class Fill>
  Done send(std::size_t batch, Fill fill) {
    under_way_ = std::min(batch, clients_.size());
    answered_ = 0;
    for (std::size_t i = 0; i < under_way_; ++i) {
      Client& client = *clients_[(first_ + i) % clients_.size()];
      fill(client);
      if (!send_call(client.call())) return failed();
    }
    if (PQpipelineSync(native()) != 1 || PQflush(native()) < 0) return failed();
    ++batches_;
    return {};
  }

  /// Takes what is there. True: the batch is over.
  std::expected<bool, std::string> receive() {
    if (PQconsumeInput(native()) != 1 || PQflush(native()) < 0) return Error{failed().error()};
    while (PQisBusy(native()) == 0) {
      PGresult* const result = PQgetResult(native());
      if (result == nullptr) continue;  // between two results
      const ExecStatusType status = PQresultStatus(result);
      if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        first_ = (first_ + under_way_) % clients_.size();
        return true;
      }
      const bool has_row = status == PGRES_TUPLES_OK && PQntuples(result) > 0;
      const std::string text = has_row ? PQgetvalue(result, 0, 0) : PQresultErrorMessage(result);
      PQclear(result);
      if (text != "ok") return Error{"A call was not answered ok: " + text};
      clients_[(first_ + answered_++) % clients_.size()]->done();
    }
    return false;
  }
  std::size_t answered() const { return answered_; }

 private:
  PGconn* native() const { return connection_.native(); }
  Done failed() const { return Error{std::string{"PostgreSQL: "} + PQerrorMessage(native())}; }

  bool send_call(const db::Request& call) {
    std::array<const char*, 16> values{};
    std::array<int, 16> lengths{}, formats{};
    std::size_t count = 0;
    for (const auto& parameter : call.parameters()) {
      values[count] = parameter.length < 0    ? nullptr
                      : parameter.length == 0 ? ""
                                              : call.parameter_data(parameter);
      lengths[count] = std::max(0, parameter.length);
      formats[count++] = 1;
    }
    return PQsendQueryPrepared(native(), call.function->name, static_cast<int>(count),
                               values.data(), lengths.data(), formats.data(), 1) == 1;
  }

  db::Connection connection_;
  std::vector<Client*> clients_;
  std::size_t first_ = 0;
  std::size_t under_way_ = 0;
  std::size_t answered_ = 0;
  std::uint64_t batches_ = 0;
};

class Direct {
 public:
  explicit Direct(const DirectOptions& options) : options_(options) {}

  std::expected<DirectResult, std::string> run() {
    if (auto opened = open(); !opened) return Error{opened.error()};
    if (auto prepared = prepare(); !prepared) return Error{prepared.error()};
    for (Pipe* pipe : used_) {
      if (auto sent = send(*pipe); !sent) return Error{sent.error()};
    }
    const auto counts_from = Clock::now() + options_.warm_up;
    const auto ends = counts_from + options_.duration;
    DirectResult result{.seconds = std::chrono::duration<double>(options_.duration).count()};
    std::uint64_t batches = 0;
    std::size_t busy = used_.size();
    while (busy > 0) {
      auto over = await();
      if (!over) return Error{over.error()};
      const auto at = Clock::now();
      for (Pipe* pipe : *over) {
        if (at >= counts_from && at < ends) {
          result.completed += pipe->answered();
          ++batches;
        }
        if (at >= ends) {
          --busy;
        } else if (auto sent = send(*pipe); !sent) {
          return Error{sent.error()};
        }
      }
    }
    result.batch =
        batches == 0 ? 0 : static_cast<double>(result.completed) / static_cast<double>(batches);
    return result;
  }

 private:
  const db::Function& function() const {
    switch (options_.command) {
      case Command::vlob_create:
        return db::functions::vlob_create_function;
      case Command::vlob_update:
        return db::functions::vlob_update_function;
      default:
        return db::functions::vlob_read_function;
    }
  }

  Done open() {
    for (std::uint32_t i = 0; i < options_.connections; ++i) {
      auto connection = db::Connection::open(
          {options_.database_url, "parsec-bench-direct", {}, db::functions_alias()});
      if (!connection) return Error{"PostgreSQL: " + connection.error().message};
      pipes_.push_back(std::make_unique<Pipe>(std::move(*connection)));
    }
    for (std::uint32_t i = 0; i < options_.clients; ++i) {
      Client& client = *clients_.emplace_back(std::make_unique<Client>(options_, i, random_));
      // Reads lock nothing, and may be anywhere.
      const std::uint64_t where = options_.command == Command::vlob_read ? i : client.route();
      pipes_[where % pipes_.size()]->add(client);
    }
    for (const auto& pipe : pipes_) {
      if (!pipe->is_used()) continue;
      if (auto opened = pipe->open(function()); !opened) return opened;
      used_.push_back(pipe.get());
    }
    return {};
  }

  /// One call after the other: it is not what is measured.
  Done prepare() {
    for (const auto& client : clients_) {
      if (!client->prepare()) return {};
      auto connection = db::Connection::open(
          {options_.database_url, "parsec-bench-direct", {}, db::functions_alias()});
      if (!connection) return Error{"PostgreSQL: " + connection.error().message};
      Pipe pipe{std::move(*connection)};
      pipe.add(*client);
      if (auto opened = pipe.open(*client->call().function); !opened) return opened;
      if (auto sent = pipe.send(1, [](Client&) {}); !sent) return sent;
      for (bool over = false; !over;) {
        pollfd ready{.fd = pipe.fd(), .events = POLLIN, .revents = 0};
        ::poll(&ready, 1, -1);
        auto received = pipe.receive();
        if (!received) return Error{received.error()};
        over = *received;
      }
    }
    return {};
  }

  Done send(Pipe& pipe) {
    return pipe.send(options_.batch, [](Client& client) { client.next(); });
  }

  /// Those whose batch is over.
  std::expected<std::vector<Pipe*>, std::string> await() {
    std::vector<pollfd> ready;
    for (const Pipe* pipe : used_)
      ready.push_back({.fd = pipe->fd(), .events = POLLIN, .revents = 0});
    if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) {
      return Error{"poll failed"};
    }
    std::vector<Pipe*> over;
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (ready[i].revents == 0) continue;
      auto received = used_[i]->receive();
      if (!received) return Error{received.error()};
      if (*received) over.push_back(used_[i]);
    }
    return over;
  }

  const DirectOptions& options_;
  std::mt19937_64 random_{std::random_device{}()};
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Pipe>> pipes_;
  std::vector<Pipe*> used_;
};

}  // namespace

bool is_direct(Command command) {
  return command == Command::vlob_read || command == Command::vlob_create ||
         command == Command::vlob_update;
}

std::expected<DirectResult, std::string> run_direct(const DirectOptions& options) {
  if (!is_direct(options.command)) {
    return Error{std::string{name(options.command)} +
                 " cannot be called directly: vlob_read, vlob_create and vlob_update can"};
  }
  if (options.clients == 0 || options.connections == 0 || options.batch == 0) {
    return Error{"At least one client, connection and call in a batch are needed"};
  }
  return Direct{options}.run();
}

}  // namespace parsec::bench
