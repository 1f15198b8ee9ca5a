// What the integration tests run against: two servers on one private PostgreSQL, started when the
// first test asks for them and stopped behind the last.
//
// Every test makes organizations of its own, so nothing is ever reset. Blocks are kept in the
// database, so that both servers have them.
#pragma once

#include <memory>
#include <string>

#include "tests/support/database_probe.h"
#include "tests/support/server_process.h"

namespace parsec::db {
class EmbeddedCluster;
}

namespace parsec::testing {

class Deployment {
 public:
  static Deployment& get();
  static void stop();
  ~Deployment();

  static constexpr const char* administration_token = "s3cr3t";

  const Address& first() const { return first_->address(); }
  const Address& second() const { return second_->address(); }
  const std::string& database_url() const { return database_url_; }

  /// Another server, with further options; on the same database unless they name another.
  std::unique_ptr<ServerProcess> start_server(ServerOptions options = {}) const;
  /// Another, empty database of the same PostgreSQL: its URL.
  std::string create_database(const std::string& name) const;

 private:
  Deployment();

  std::unique_ptr<db::EmbeddedCluster> cluster_;
  std::string database_url_;
  std::unique_ptr<ServerProcess> first_;
  std::unique_ptr<ServerProcess> second_;
};

}  // namespace parsec::testing
