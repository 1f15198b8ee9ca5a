// `parsec core …`: the built program against a running server.
#include "app/core/core_organization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/organization.h"
#include "tests/support/private_postgres.h"
#include "tests/support/server_process.h"
#include "tests/support/tls_certificate.h"

namespace parsec::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr const char* token = "s3cr3t";

class Core : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    temporary_directory();
    // A TLS client that finds no TLS waits for the server to give up.
    server_ = std::make_unique<ServerProcess>(ServerOptions{.arguments = {"--head-timeout=1"}});
  }
  static void TearDownTestSuite() { server_.reset(); }

  static std::string plain_address() {
    return "parsec://127.0.0.1:" + std::to_string(server_->address().port) + "?no_ssl=true";
  }
  static ProgramResult core(const std::string& command, const std::string& organization,
                            std::vector<std::string> options = {},
                            const std::map<std::string, std::string>& variables = {}) {
    std::vector<std::string> words{"core", command, organization};
    words.insert(words.end(), options.begin(), options.end());
    std::map<std::string, std::string> all{{"PARSEC_ADDR", plain_address()},
                                           {"PARSEC_ADMINISTRATION_TOKEN", token}};
    for (const auto& [name, value] : variables) all.insert_or_assign(name, value);
    return run_parsec(words, all);
  }

  static inline std::unique_ptr<ServerProcess> server_;
};

TEST_F(Core, CreatePrintsTheBootstrapLink) {
  const ProgramResult result = core("create_organization", "Created");
  EXPECT_EQ(result.exit, 0) << result.output;
  EXPECT_THAT(result.output,
              MatchesRegex("Bootstrap organization url: parsec://127\\.0\\.0\\.1:[0-9]+/Created"
                           "\\?action=bootstrap_organization&token=[0-9a-f]+&no_ssl=true\n"));
}

TEST_F(Core, CreateAgainWorksUntilTheBootstrap) {
  EXPECT_EQ(core("create_organization", "Twice").exit, 0);
  EXPECT_EQ(core("create_organization", "Twice").exit, 0);
  const auto organization = Organization::create(server_->address(), token);
  const ProgramResult result = core("create_organization", organization->id());
  EXPECT_EQ(result.exit, 1);
  EXPECT_EQ(result.output, "Error: Organization `" + organization->id() + "` already exists.\n");
}

TEST_F(Core, StatusTellsBootstrapAndExpiration) {
  core("create_organization", "Fresh", {"--expiration-date=2099-12-31"});
  EXPECT_THAT(core("status_organization", "Fresh").output,
              "is_bootstrapped: False\nexpiration_date: 2099-12-31T00:00:00.000000Z\n");
  const auto organization = Organization::create(server_->address(), token);
  EXPECT_EQ(core("status_organization", organization->id()).output,
            "is_bootstrapped: True\nexpiration_date: None\n");
}

TEST_F(Core, StatsTellSizesAndUsers) {
  const auto organization = Organization::create(server_->address(), token);
  Session alice = organization->connect(organization->alice());
  const Uuid realm = alice.create_realm();
  alice.create_block(realm, Octets{"12345"});
  const ProgramResult result = core("stats_organization", organization->id());
  EXPECT_EQ(result.exit, 0);
  EXPECT_THAT(result.output, AllOf(HasSubstr("data_size: 5\n"), HasSubstr("metadata_size: 0\n"),
                                   HasSubstr("users: 1\n")));
}

TEST_F(Core, NotFound) {
  for (const char* command : {"status_organization", "stats_organization"}) {
    const ProgramResult result = core(command, "Nowhere");
    EXPECT_EQ(result.exit, 1);
    EXPECT_EQ(result.output, "Error: Organization `Nowhere` not found.\n");
  }
}

TEST_F(Core, AWrongTokenIsRefused) {
  const ProgramResult result = core("status_organization", "Org", {"--administration-token=wrong"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_EQ(result.output, "Error: The server refused the administration token.\n");
}

TEST_F(Core, NobodyListens) {
  const ProgramResult result =
      core("status_organization", "Org", {"--addr=parsec://127.0.0.1:1?no_ssl=true"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_EQ(result.output, "Error: Cannot connect to 127.0.0.1:1: Connection refused.\n");
}

TEST_F(Core, AnUnknownHost) {
  const ProgramResult result = core("status_organization", "Org", {"--addr=parsec://no.invalid"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, HasSubstr("Error: Cannot connect to no.invalid:443: "));
}

// --- TLS

/// A server with TLS on its port.
class TlsServer {
 public:
  /// names: as in a subjectAltName.
  explicit TlsServer(const std::string& names)
      : certificate_(names),
        process_({.arguments = {"--ssl-certfile=" + certificate_.certificate(),
                                "--ssl-keyfile=" + certificate_.key()}}) {}

  std::string certificate() const { return certificate_.certificate(); }
  std::string option(const std::string& host) const {
    return "--addr=parsec://" + host + ":" + std::to_string(process_.address().port);
  }

 private:
  const TlsCertificate certificate_;
  const ServerProcess process_;
};

class CoreOverTls : public Core {
 protected:
  static void SetUpTestSuite() {
    Core::SetUpTestSuite();
    tls_server_ = std::make_unique<TlsServer>("DNS:localhost,IP:127.0.0.1");
  }
  static void TearDownTestSuite() {
    tls_server_.reset();
    Core::TearDownTestSuite();
  }

  static inline std::unique_ptr<TlsServer> tls_server_;
};

TEST_F(CoreOverTls, ByName) {
  const ProgramResult result =
      core("create_organization", "ByName", {tls_server_->option("localhost")},
           {{"SSL_CERT_FILE", tls_server_->certificate()}});
  EXPECT_EQ(result.exit, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("Bootstrap organization url: parsec://localhost:"));
  EXPECT_THAT(result.output, ::testing::Not(HasSubstr("no_ssl")));
}

TEST_F(CoreOverTls, ByIpAddress) {
  const ProgramResult result =
      core("create_organization", "ByIp", {tls_server_->option("127.0.0.1")},
           {{"SSL_CERT_FILE", tls_server_->certificate()}});
  EXPECT_EQ(result.exit, 0) << result.output;
}

TEST_F(CoreOverTls, ACertificateOfAnotherHostIsNotAccepted) {
  const TlsServer other{"DNS:example.com"};
  const ProgramResult result = core("create_organization", "Org", {other.option("localhost")},
                                    {{"SSL_CERT_FILE", other.certificate()}});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, HasSubstr("certificate not accepted: hostname mismatch"));
}

TEST_F(CoreOverTls, ACertificateThatNobodyVouchesForIsNotAccepted) {
  const ProgramResult result =
      core("create_organization", "Org", {tls_server_->option("localhost")});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, HasSubstr("certificate not accepted: self-signed certificate"));
}

TEST_F(CoreOverTls, AServerWithoutTlsIsNotTalkedTo) {
  const ProgramResult result =
      core("create_organization", "Org",
           {"--addr=parsec://localhost:" + std::to_string(server_->address().port)});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.output, HasSubstr("Error: Cannot connect to localhost:"));
}

}  // namespace
}  // namespace parsec::testing
