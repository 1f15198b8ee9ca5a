#include "tests/integration/deployment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "db/cluster/embedded_cluster.h"

namespace parsec::testing {
namespace {

std::unique_ptr<Deployment> deployment;

/// Ends the servers before the process does: destructors of statics would come in a random order.
class StopDeployment : public ::testing::Environment {
 public:
  void TearDown() override { Deployment::stop(); }
};
const auto* const stop_deployment = ::testing::AddGlobalTestEnvironment(new StopDeployment);

/// `host=… port=…` as a URL.
std::string as_url(std::string conninfo) {
  std::ranges::replace(conninfo, ' ', '&');
  return "postgresql:///?" + conninfo;
}

}  // namespace

Deployment& Deployment::get() {
  static bool tried = false;
  if (!deployment) {
    if (std::exchange(tried, true)) throw ClientError("there is no deployment: see the first test");
    deployment.reset(new Deployment);
  }
  return *deployment;
}

void Deployment::stop() {
  if (!deployment) return;
  for (ServerProcess* server : {deployment->first_.get(), deployment->second_.get()}) {
    EXPECT_EQ(server->stop(), 0) << server->process().output();
  }
  deployment.reset();
}

Deployment::Deployment() {
  auto cluster = db::EmbeddedCluster::start({db::Target::Kind::mocked, {}});
  if (!cluster) throw ClientError(cluster.error());
  cluster_ = std::move(*cluster);
  database_url_ = as_url(cluster_->conninfo());
  const ProgramResult migrated = run_parsec({"backend", "migrate", "--db", database_url_});
  if (migrated.exit != 0) throw ClientError("cannot migrate:\n" + migrated.output);
  first_ = start_server();
  second_ = start_server();
}

Deployment::~Deployment() = default;

std::unique_ptr<ServerProcess> Deployment::start_server(ServerOptions options) const {
  if (options.database == ServerOptions{}.database) options.database = database_url_;
  return std::make_unique<ServerProcess>(options);
}

std::string Deployment::create_database(const std::string& name) const {
  DatabaseProbe{database_url_}.execute("CREATE DATABASE " + name);
  return as_url(cluster_->conninfo(name));
}

}  // namespace parsec::testing
