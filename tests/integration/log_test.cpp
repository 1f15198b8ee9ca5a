// The log of a running server as programs read it: a JSON object a line (app/server.md §6).
#include <simdjson.h>

#include <map>
#include <set>
#include <sstream>

#include "tests/integration/integration_test.h"

namespace parsec::testing {
namespace {

/// Members as JSON writes them; texts without quotation marks.
using Line = std::map<std::string, std::string>;

Line parse(const std::string& text) {
  Line line;
  simdjson::dom::parser parser;
  const simdjson::dom::object object = parser.parse(text);
  for (const auto& [name, value] : object) {
    const bool is_text = value.is_string();
    line[std::string{name}] =
        is_text ? std::string{std::string_view{value}} : simdjson::minify(value);
  }
  return line;
}

class JsonLog : public IntegrationTest {
 protected:
  JsonLog()
      : server_(Deployment::get().start_server(
            {.arguments = {"--log-format=JSON", "--log-level=DEBUG", "--shards=2"}})) {}

  /// Every line of the log that the server wrote until it ended, of that event.
  std::vector<Line> lines(std::string_view event) const {
    std::vector<Line> found;
    std::istringstream output{server_->process().output()};
    for (std::string text; std::getline(output, text);) {
      if (!text.starts_with('{')) continue;  // the start line, or the embedded PostgreSQL's
      Line line = parse(text);
      EXPECT_TRUE(line.contains("timestamp") && line.contains("level")) << text;
      if (line["event"] == event) found.push_back(std::move(line));
    }
    return found;
  }

  std::unique_ptr<ServerProcess> server_;
};

TEST_F(JsonLog, ARequestHasItsMembers) {
  const auto organization = Organization::create(server_->address(), token);
  {
    Session alice = organization->connect(organization->alice());
    EXPECT_THAT(alice.call("ping", {{"ping", "x"}}), Ok({{"pong", "x"}}));
    EXPECT_EQ(alice.call("no_such", {}), unknown_command);
  }
  EXPECT_EQ(server_->stop(), 0);

  const std::string device = organization->alice().id;
  std::string conn_id;
  for (const Line& line : lines("Connection established")) {
    if (line.contains("device_id") && line.at("device_id") == device) conn_id = line.at("conn_id");
  }
  ASSERT_FALSE(conn_id.empty()) << server_->process().output();

  Line ping;
  Line unknown;
  for (const Line& line : lines("Request")) {
    if (line.at("conn_id") != conn_id) continue;
    (line.at("cmd") == "ping" ? ping : unknown) = line;
  }
  EXPECT_EQ(ping["status"], "ok");
  EXPECT_EQ(ping["level"], "info");
  EXPECT_EQ(ping["organization_id"], organization->id());
  EXPECT_EQ(ping["device_id"], device);
  const double seconds = std::stod(ping["duration"]);
  EXPECT_GE(seconds, 0);
  EXPECT_LT(seconds, 60);
  EXPECT_EQ(unknown["status"], "unknown_command");
}

TEST_F(JsonLog, NoTwoConnectionsOfAllShardsHaveOneName) {
  constexpr std::size_t count = 64;  // by chance on one shard alone: once in 2^63
  {
    std::vector<std::unique_ptr<WebSocket>> clients;
    for (std::size_t i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<WebSocket>(server_->address()));
      clients.back()->receive();  // the challenge
    }
  }
  EXPECT_EQ(server_->stop(), 0);
  std::set<std::string> names;
  std::set<std::string> shards;
  const auto opened = lines("Connection opened");
  for (const Line& line : opened) {
    names.insert(line.at("conn_id"));
    shards.insert(line.at("conn_id").substr(0, line.at("conn_id").find('-')));
    EXPECT_EQ(line.at("peer"), "127.0.0.1");
  }
  EXPECT_GE(opened.size(), count);
  EXPECT_EQ(names.size(), opened.size());
  EXPECT_EQ(shards.size(), 2U);
}

}  // namespace
}  // namespace parsec::testing
