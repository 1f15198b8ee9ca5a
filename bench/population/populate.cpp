#include "bench/population/populate.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/population/blocking_client.h"
#include "bench/population/payload.h"
#include "bench/population/requests.h"

namespace parsec::bench {

namespace {

using Error = std::unexpected<std::string>;
using Step = std::expected<void, std::string>;

std::uint64_t steps_of(const PopulationSize& size) {
  const std::uint64_t users = size.users, devices = size.devices, realms = size.realms;
  const std::uint64_t entries = std::uint64_t{size.vlobs} + size.blocks;
  return 1 + (users - 1) + users * (devices - 1) + realms * users + realms * entries;
}

/// What the threads share.
struct Work {
  const protocol::BackendAddress& address;
  const Population& population;
  const PopulateOptions& options;
  const PopulateProgress& progress;
  std::atomic<std::uint32_t> next_organization = 0;
  std::mutex mutex;
  std::uint64_t done = 0;
  std::optional<std::string> failure;

  void step() {
    const std::lock_guard lock{mutex};
    ++done;
    progress(done, steps_of(population.size()) * population.size().organizations);
  }
  bool failed() {
    const std::lock_guard lock{mutex};
    return failure.has_value();
  }
  void fail(std::string why) {
    const std::lock_guard lock{mutex};
    if (!failure) failure = std::move(why);
  }
};

/// One organization, by one thread.
class Builder {
 public:
  Builder(Work& work, std::uint32_t organization)
      : work_(work), population_(work.population), organization_(organization) {}

  Step run() {
    if (auto made = bootstrap(); !made) return made;
    work_.step();
    for (std::uint32_t user = 0; user < population_.size().users; ++user) {
      if (auto made = make_user(user); !made) return made;
    }
    for (std::uint32_t realm = 0; realm < population_.size().realms; ++realm) {
      if (auto made = make_realm(realm); !made) return made;
    }
    return {};
  }

 private:
  Step bootstrap() {
    const std::string id = population_.organization_id(organization_);
    const Login administration = AdministrationLogin{work_.options.administration_token};
    auto administrator = BlockingClient::open(work_.address, administration);
    if (!administrator) return Error{administrator.error()};
    const auto created = (*administrator)->call([&](msgpack::Writer& out) {
      requests::organization_create(out, id);
    });
    if (!created) return Error{created.error()};
    const auto status = created->find("status");
    if (status && status->str() == "already_exists") return {};
    const auto token = created->find("bootstrap_token");
    if (!token || token->kind() != msgpack::Kind::str) {
      return Error{"The server does not create organization " + id};
    }
    const std::string bootstrap_token{token->str()};
    const Login anonymous = AnonymousLogin{id};
    auto client = BlockingClient::open(work_.address, anonymous);
    if (!client) return Error{client.error()};
    auto done = (*client)->require({}, [&](msgpack::Writer& out) {
      requests::organization_bootstrap(out, population_, organization_, bootstrap_token);
    });
    if (!done) return Error{done.error()};
    return {};
  }

  Step make_user(std::uint32_t user) {
    const auto& size = population_.size();
    if (user > 0) {
      auto done = first(0, "already_exists", [&](msgpack::Writer& out) {
        requests::user_create(out, population_, organization_, user);
      });
      if (!done) return done;
    }
    for (std::uint32_t device = 1; device < size.devices; ++device) {
      const DeviceNumber number{organization_, user, device};
      auto done = first(user, "already_exists", [&](msgpack::Writer& out) {
        requests::device_create(out, population_, number);
      });
      if (!done) return done;
    }
    return {};
  }

  Step make_realm(std::uint32_t realm) {
    const auto& size = population_.size();
    const Uuid realm_id = population_.realm_id(organization_, realm);
    auto done = first(0, "already_exists", [&](msgpack::Writer& out) {
      requests::realm_create(out, population_, organization_, realm);
    });
    for (std::uint32_t user = 1; done && user < size.users; ++user) {
      done = first(0, "already_granted", [&](msgpack::Writer& out) {
        requests::realm_share(out, population_, organization_, realm, user);
      });
    }
    for (std::uint32_t vlob = 0; done && vlob < size.vlobs; ++vlob) {
      done = first(0, "already_exists", [&](msgpack::Writer& out) {
        requests::vlob_create(out, realm_id, population_.vlob_id(organization_, realm, vlob),
                              payload(work_.options.blob_bytes, vlob));
      });
    }
    for (std::uint32_t block = 0; done && block < size.blocks; ++block) {
      done = first(0, "already_exists", [&](msgpack::Writer& out) {
        requests::block_create(out, realm_id, population_.block_id(organization_, realm, block),
                               payload(work_.options.blob_bytes, block));
      });
    }
    return done;
  }

  /// A step by the first device of that user, whose connection is kept for the next one.
  Step first(std::uint32_t user, std::string_view also, const BlockingClient::Fill& fill) {
    if (work_.failed()) return Error{"given up"};
    if (!client_ || user != user_) {
      const DeviceNumber number{.organization = organization_, .user = user};
      client_.reset();
      login_ = DeviceLogin{
          population_.organization_id(organization_), Population::device_id(number),
          population_.root_key(organization_).verify_key, population_.device_key(number)};
      auto opened = BlockingClient::open(work_.address, login_);
      if (!opened) return Error{opened.error()};
      client_ = std::move(*opened);
      user_ = user;
    }
    const auto done = client_->require(also, fill);
    if (!done) return Error{done.error()};
    work_.step();
    return {};
  }

  Work& work_;
  const Population& population_;
  const std::uint32_t organization_;
  Login login_;
  std::uint32_t user_ = 0;
  std::unique_ptr<BlockingClient> client_;
};

}  // namespace

std::expected<void, std::string> populate(const protocol::BackendAddress& address,
                                          const Population& population,
                                          const PopulateOptions& options,
                                          const PopulateProgress& progress) {
  Work work{.address = address,
            .population = population,
            .options = options,
            .progress = progress,
            .mutex = {},
            .failure = {}};
  const std::uint32_t organizations = population.size().organizations;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < std::min(options.threads, organizations); ++i) {
    threads.emplace_back([&work, organizations] {
      for (std::uint32_t next; (next = work.next_organization++) < organizations;) {
        if (auto built = Builder{work, next}.run(); !built) return work.fail(built.error());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (work.failure) return Error{*work.failure};
  return {};
}

}  // namespace parsec::bench
