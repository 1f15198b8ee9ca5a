// db/storage.md §4 on the running program: stores outside of it, that come and go while it serves,
// and what it says of a store that cannot be used.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "tests/db/swift_service.h"
#include "tests/integration/integration_test.h"
#include "tests/support/http_server.h"
#include "tests/support/temporary_directory.h"

namespace parsec::testing {
namespace {

using ::testing::HasSubstr;
using Answer = HttpServer::Answer;

/// An S3 service as far as the program can tell; it can be dead, or silent.
class ObjectService {
 public:
  enum class Mood : std::uint8_t { well, slow, failing, silent };
  static constexpr auto slowness = 100ms;

  std::string value(std::string_view node = "") const {
    return std::string{node} + "s3:http\\://127.0.0.1\\:" + std::to_string(server_.port()) +
           ":region:bucket:key:hidden-secret";
  }
  void set(Mood mood) { mood_ = mood; }
  /// Answers nothing of that organization until server().release().
  void hold(const Organization& organization) {
    const std::lock_guard lock(mutex_);
    held_ = "/" + organization.id() + "/";
  }
  HttpServer& server() { return server_; }
  void lose_everything() {
    const std::lock_guard lock(mutex_);
    objects_.clear();
  }

 private:
  Answer answer(const HttpServer::Request& asked) {
    if (mood_ == Mood::silent) server_.hold();
    if (mood_ == Mood::failing) return {.raw = "x", .then = Answer::Then::reset};
    if (is_held(asked.target)) server_.hold();
    if (mood_ == Mood::slow) std::this_thread::sleep_for(slowness);
    if (asked.method == "HEAD") return {};
    const std::lock_guard lock(mutex_);
    if (asked.method == "PUT") {
      objects_.emplace(asked.target, asked.body);
      return {};
    }
    const auto found = objects_.find(asked.target);
    if (found == objects_.end()) return {.status = 404};
    return {.body = found->second};
  }

  bool is_held(const std::string& target) {
    const std::lock_guard lock(mutex_);
    return !held_.empty() && target.find(held_) != std::string::npos;
  }

  std::atomic<Mood> mood_ = Mood::well;
  std::mutex mutex_;
  std::map<std::string, std::string> objects_;
  std::string held_;
  HttpServer server_{[this](const auto& asked) { return answer(asked); }};
};

class BlockStores : public IntegrationTest {
 protected:
  static Document create(Session& author, Uuid realm_id, Uuid block_id, const Octets& block) {
    return author.call("block_create",
                       {{"block_id", block_id}, {"realm_id", realm_id}, {"block", block}});
  }
  static Document read(Session& reader, Uuid block_id) {
    return reader.call("block_read", {{"block_id", block_id}});
  }
  /// Uploads of one organization, each on a connection of its own, none of them awaited.
  class Flood {
   public:
    Flood(const std::shared_ptr<Organization>& organization, const Address& address, int uploads) {
      Session first = organization->connect(organization->alice(), address);
      realm_id_ = first.create_realm();
      for (int i = 0; i < uploads; ++i) {
        sessions_.push_back(organization->connect(organization->alice(), address));
      }
    }
    void begin() {
      for (auto& session : sessions_) {
        session.start("block_create", {{"block_id", new_uuid()},
                                       {"realm_id", realm_id_},
                                       {"block", Octets(512 * 1024, 'b')}});
      }
    }
    void finish() {
      for (auto& session : sessions_) EXPECT_THAT(session.reply(), Ok());
    }

   private:
    Uuid realm_id_;
    std::vector<Session> sessions_;
  };
  /// The longest of some creations and reads, one after the other.
  static std::chrono::milliseconds slowest_of_some(Session& session, Uuid realm_id) {
    using std::chrono::steady_clock;
    steady_clock::duration slowest{};
    for (int i = 0; i < 5; ++i) {
      const Uuid block_id = new_uuid();
      const auto before = steady_clock::now();
      EXPECT_THAT(create(session, realm_id, block_id, "block"_bin), Ok());
      const auto between = steady_clock::now();
      EXPECT_THAT(read(session, block_id), Ok({{"block", "block"_bin}}));
      slowest = std::max({slowest, between - before, steady_clock::now() - between});
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(slowest);
  }

  static std::unique_ptr<ServerProcess> start(const std::string& stores,
                                              std::vector<std::string> arguments = {}) {
    return Deployment::get().start_server({.blockstore = "",
                                           .arguments = std::move(arguments),
                                           .variables = {{"PARSEC_BLOCKSTORE", stores}}});
  }
};

TEST_F(BlockStores, SwiftByBothOfItsInterfaces) {
  PARSEC_NEED_SWIFT();
  const std::string url = "http\\://127.0.0.1\\:" + swift_service().port();
  const std::string stores[] = {
      "s3:" + url + ":test-region:blocks-0:tenant\\:user:password",
      "swift:" + url + "/auth/v1.0:user:blocks-0:tenant:password",
      "raid5:0:s3:" + url + ":test-region:blocks-1:tenant\\:user:password" + " raid5:2:swift:" +
          url + "/auth/v1.0:user:blocks-2:tenant:password" + " raid5:1:POSTGRESQL",
  };
  for (const auto& store : stores) {
    const auto server = start(store);
    Session alice = again(this->alice(), server->address());
    const Uuid realm_id = alice.create_realm();
    const Uuid block_id = new_uuid();
    const Octets block = random_octets(100'000);
    EXPECT_THAT(create(alice, realm_id, block_id, block), Ok());
    EXPECT_TRUE(read(alice, block_id)["block"] == Document(block));
    EXPECT_THAT(create(alice, realm_id, block_id, block), Status("already_exists"));
    EXPECT_EQ(server->process().output().find("password"), std::string::npos);
  }
}

TEST_F(BlockStores, NodesThatDieAndComeBack) {
  ObjectService services[3];
  const auto server = start(services[0].value("raid5:0:") + " " + services[1].value("raid5:1:") +
                                " " + services[2].value("raid5:2:"),
                            {"--blockstore-timeout=5"});
  Session alice = again(this->alice(), server->address());
  const Uuid realm_id = alice.create_realm();
  std::map<std::string, std::pair<Uuid, Octets>> blocks;
  const auto write = [&](const std::string& name) {
    const Uuid block_id = new_uuid();
    const Octets block = random_octets(10'000);
    const auto reply = create(alice, realm_id, block_id, block);
    if (reply["status"] == Document("ok")) blocks[name] = {block_id, block};
    return reply;
  };
  const auto expect_all = [&] {
    for (const auto& [name, entry] : blocks) {
      EXPECT_TRUE(read(alice, entry.first)["block"] == Document(entry.second)) << name;
    }
  };
  EXPECT_THAT(write("all are well"), Ok());
  for (auto& service : services) {
    service.set(ObjectService::Mood::failing);
    EXPECT_THAT(write("one is dead"), Ok());
    expect_all();
    service.set(ObjectService::Mood::well);
    expect_all();
  }
  blocks.erase("one is dead");  // of this one a node has nothing, and may not lose more
  services[1].lose_everything();
  expect_all();
  services[0].set(ObjectService::Mood::failing);
  EXPECT_THAT(read(alice, blocks["all are well"].first), Status("timeout"));
  services[2].set(ObjectService::Mood::failing);
  EXPECT_THAT(write("two are dead"), Status("timeout"));
  EXPECT_THAT(alice.call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
  EXPECT_EQ(server->process().output().find("hidden-secret"), std::string::npos);
}

/// app/administration.md §1: with a layout that can do without one store, the others count.
TEST_F(BlockStores, AreToldOfWhenNoneOfThemServes) {
  ObjectService services[2];
  const auto server = start(services[0].value("raid1:0:") + " " + services[1].value("raid1:1:"),
                            {"--blockstore-timeout=2"});
  Session alice = again(this->alice(), server->address());
  const Uuid realm_id = alice.create_realm();
  const auto ready = [&] {
    Socket socket{server->address()};
    socket.send("GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    while (socket.receive(within(patience))) {
    }
    return socket.input.substr(socket.input.find("\r\n\r\n") + 4);
  };
  for (auto& service : services) service.set(ObjectService::Mood::failing);
  EXPECT_THAT(create(alice, realm_id, new_uuid(), "block"_bin), Status("timeout"));
  EXPECT_THAT(ready(), ::testing::HasSubstr("[\"block_store_unreachable\"]"));
  for (auto& service : services) service.set(ObjectService::Mood::well);
  EXPECT_THAT(create(alice, realm_id, new_uuid(), "block"_bin), Ok());
  EXPECT_THAT(ready(), ::testing::HasSubstr("\"ready\""));
  services[0].set(ObjectService::Mood::failing);
  EXPECT_THAT(create(alice, realm_id, new_uuid(), "block"_bin), Status("timeout"));
  EXPECT_THAT(ready(), ::testing::HasSubstr("\"ready\"")) << "reads go on";
}

/// By order, not by time: while the store answers nothing at all, everything else is served.
TEST_F(BlockStores, ASilentStoreHoldsUpNothingElse) {
  ObjectService service;
  const auto server = start(service.value(), {"--shards=1", "--blockstore-timeout=2"});
  Session alice = again(this->alice(), server->address());
  Session bob = alice.organization().connect(alice.add_user("bob"), server->address());
  const Uuid realm_id = alice.create_realm();
  const Uuid known = alice.create_block(realm_id);
  const std::size_t before = service.server().requests().size();
  service.set(ObjectService::Mood::silent);
  alice.start("block_create",
              {{"block_id", new_uuid()}, {"realm_id", realm_id}, {"block", "x"_bin}});
  service.server().await_requests(before + 1);
  server->process().signal(SIGUSR1);
  EXPECT_TRUE(server->process().await_output("block store S3: working=yes"));
  const Uuid bobs_realm = bob.create_realm();
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(bob.call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
    bob.create_vlob(bobs_realm, "vlob"_bin);
  }
  EXPECT_THAT(alice.reply(), Status("timeout"));
  EXPECT_THAT(read(alice, known), Status("timeout"));
  service.set(ObjectService::Mood::well);
  service.server().release();
  EXPECT_THAT(read(alice, known), Ok({{"block", "block"_bin}}));
}

/// By order, not by time: of one organization the store answers nothing, and it has more requests
/// than there are connections.
TEST_F(BlockStores, WhatOneOrganizationWaitsForAnotherDoesNot) {
  ObjectService services[2];
  const auto server = start(services[0].value("raid1:0:") + " " + services[1].value("raid1:1:"),
                            {"--blockstore-connections=8", "--shards=2"});
  const auto busy = organization();
  Flood flood{busy, server->address(), 40};
  const auto quiet = organization();
  Session bob = quiet->connect(quiet->alice(), server->address());
  const Uuid realm_id = bob.create_realm();
  for (auto& service : services) service.hold(*busy);
  flood.begin();
  for (auto& service : services) service.server().await_requests(1 + 6);
  slowest_of_some(bob, realm_id);
  for (auto& service : services) service.server().release();
  flood.finish();
}

/// As a user feels it. First come, first served would be (200 / 8) · 100 ms for the first one.
TEST_F(BlockStores, AFloodOfUploadsIsNotFeltByOthers) {
  ObjectService service;
  const auto server = start(service.value(), {"--blockstore-connections=8", "--shards=2"});
  Flood flood{organization(), server->address(), 200};
  const auto quiet = organization();
  Session bob = quiet->connect(quiet->alice(), server->address());
  const Uuid realm_id = bob.create_realm();
  service.set(ObjectService::Mood::slow);
  const auto alone = slowest_of_some(bob, realm_id);
  const std::size_t before = service.server().requests().size();
  flood.begin();
  service.server().await_requests(before + 6);
  const auto beside = slowest_of_some(bob, realm_id);
  EXPECT_THAT(beside, ::testing::Lt(alone + 5 * ObjectService::slowness));
  EXPECT_THAT(service.server().requests().size(), ::testing::Lt(before + 200))
      << "the flood was over before the other organization was done";
  std::cout << "[ MEASURED ] the slowest of 10 requests alone: " << alone.count()
            << " ms, beside 200 uploads of 512 KiB: " << beside.count() << " ms" << std::endl;
  flood.finish();
}

/// The server is started first, its store later.
TEST_F(BlockStores, AreAwaitedWhenTheyAreAwayAtTheStart) {
  PARSEC_NEED_SWIFT();
  auto nobody = std::make_optional<DeadPort>();
  const std::string port = std::to_string(nobody->port());
  const std::string url = "http\\://127.0.0.1\\:" + port;
  const TemporaryDirectory directory;
  const std::string log = (directory.path() / "log").native();
  const auto logged = [&](std::string_view text) {
    std::ifstream file{log};
    const std::string all{std::istreambuf_iterator<char>{file}, {}};
    return all.find(text) != std::string::npos;
  };
  auto service = std::async(std::launch::async, [&] {
    for (const auto* text :
         {"Block store S3 (node 0 of RAID1)", "Block store SWIFT (node 1 of RAID1)",
          "(attempt 2, next in 100 ms)"}) {
      EXPECT_TRUE(eventually([&] { return logged(text); }, 20s)) << text;
    }
    EXPECT_FALSE(logged("password"));
    nobody.reset();
    return std::make_unique<SwiftService>(port);
  });
  const auto server =
      start("raid1:0:s3:" + url + ":test-region:blocks-0:tenant\\:user:password" +
                " raid1:1:swift:" + url + "/auth/v1.0:user:blocks-1:tenant:password",
            {"--log-file=" + log, "--blockstore-first-tries-sleep=0.1"});
  Session alice = again(this->alice(), server->address());
  const Uuid realm_id = alice.create_realm();
  const Uuid block_id = new_uuid();
  EXPECT_THAT(create(alice, realm_id, block_id, "block"_bin), Ok());
  EXPECT_THAT(read(alice, block_id), Ok({{"block", "block"_bin}}));
}

TEST(BlockStoresAtTheStart, TellWhatIsWrong) {
  const DeadPort nobody;
  std::string dead = nobody.url();
  for (std::size_t at = 0; (at = dead.find(':', at)) != std::string::npos; at += 2) {
    dead.insert(at, "\\");
  }
  const HttpServer missing{[](const auto&) { return Answer{.status = 404}; }};
  const HttpServer denied{[](const auto&) { return Answer{.status = 403}; }};
  const auto at = [](const HttpServer& server) {
    return "http\\://127.0.0.1\\:" + std::to_string(server.port());
  };
  const std::string rest = ":region:bucket:key:hidden-secret";
  struct Row {
    std::string stores;
    int exit;
    std::string text;
  };
  const Row rows[] = {
      {"s3:" + at(missing) + rest, 1, "Error: Block store S3 has no bucket `bucket`"},
      {"s3:" + at(denied) + rest, 1, "Block store S3 denies access to bucket `bucket`"},
      {"s3:" + dead + rest, 1, "Block store S3 cannot be used (Failed to connect"},
      {"raid1:0:MOCKED raid1:1:s3:" + at(missing) + rest, 1,
       "Block store S3 (node 1 of RAID1) has no bucket `bucket`"},
      {"swift:" + dead + ":tenant:container:user:hidden-secret", 1,
       "Block store SWIFT cannot be used (Failed to connect"},
      {"swift:" + at(denied) + ":tenant:container:user:hidden-secret", 1,
       "Block store SWIFT refuses the user"},
      {"s3:nothing", 2,
       "Invalid S3 config, must be `s3:[<endpoint_url>]:<region>:<bucket>:<key>:<secret>`"},
      {"raid5:0:MOCKED raid5:1:MOCKED", 2, "RAID5 block store needs at least 3 nodes"},
      {"raid5:0:MOCKED raid5:1:POSTGRESQL raid5:2:POSTGRESQL", 2,
       "RAID5 block store needs different nodes"},
      {"raid1:x:MOCKED", 2, "Invalid node index `x` (must be integer)"},
  };
  for (const auto& row : rows) {
    const auto result = run_parsec({"backend", "run", "--dev", "--blockstore-first-tries-number=1"},
                                   {{"PARSEC_BLOCKSTORE", row.stores}});
    EXPECT_EQ(result.exit, row.exit) << row.stores;
    EXPECT_THAT(result.output, HasSubstr(row.text));
    EXPECT_EQ(result.output.find("hidden-secret"), std::string::npos) << result.output;
  }
}

}  // namespace
}  // namespace parsec::testing
