// app/server.md §5: the bootstrap webhook of a running server.
#include "tests/integration/integration_test.h"
#include "tests/support/peer.h"

namespace parsec::testing {
namespace {

class WebhookTest : public IntegrationTest {
 protected:
  static std::unique_ptr<ServerProcess> server_with(const std::string& url) {
    return Deployment::get().start_server(
        {.arguments = {"--organization-bootstrap-webhook=" + url, "--log-level=INFO"}});
  }
  static std::string url_of(const Peer& peer) {
    return "http://127.0.0.1:" + std::to_string(peer.port()) + "/hook?key=h1dden";
  }
  static std::string json(const std::string& id, const std::string& rest) {
    return R"({"organization_id": ")" + id + R"(", "device_id": "alice@dev1", )" + rest + "}";
  }
};

TEST_F(WebhookTest, IsToldOfEachBootstrap) {
  const Peer peer{"http_server"};
  const auto server = server_with(url_of(peer));
  struct Row {
    const char* name;
    Document human_handle, label;
    std::string told;
  };
  const Row rows[]{
      {"with handle and label", list("a@b.c", "A"), "my \"PC\"",
       R"("device_label": "my \"PC\"", "human_email": "a@b.c", "human_label": "A")"},
      {"in Unicode", list("zoé@example.com", "Zoé 日本"), "Gerät",
       R"("device_label": "Ger\u00e4t", "human_email": "zo\u00e9@example.com", )"
       R"("human_label": "Zo\u00e9 \u65e5\u672c")"},
      {"without", nullptr, nullptr,
       R"("device_label": null, "human_email": null, "human_label": null)"},
  };
  std::size_t number = 0;
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const auto made = Organization::unknown(server->address(), token);
    const std::string bootstrap_token = made->create_here();
    Device first = made->first_device();
    first.human_handle = row.human_handle;
    first.label = row.label;
    Connection stranger = made->connect_anonymous();
    EXPECT_THAT(stranger.call("organization_bootstrap", made->bootstrap_fields(first, "wrong")),
                Status("not_found"));
    EXPECT_THAT(
        stranger.call("organization_bootstrap", made->bootstrap_fields(first, bootstrap_token)),
        Ok());
    auto request = peer.told(++number);
    EXPECT_EQ(request["line"], "POST /hook?key=h1dden HTTP/1.1");
    EXPECT_EQ(request["content-type"], "application/json; charset=utf-8");
    EXPECT_EQ(request["body"], json(made->id(), row.told));
    EXPECT_THAT(
        stranger.call("organization_bootstrap", made->bootstrap_fields(first, bootstrap_token)),
        Status("already_bootstrapped"));
  }
  EXPECT_EQ(server->stop(), 0);
  EXPECT_EQ(peer.count(), number) << "what was refused is not told";
  EXPECT_THAT(server->process().output(), ::testing::Not(::testing::HasSubstr("h1dden")));
}

TEST_F(WebhookTest, ThatFailsChangesNoReply) {
  struct Row {
    const char* name;
    std::string answer;
    std::string logged;
  };
  const Row rows[]{
      {"500", R"(--answer=HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n)", "status 500"},
      {"a redirection", R"(--answer=HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n)", "status 302"},
      {"no answer", "--answer=", "Empty reply"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Peer peer{"http_server", {row.answer}};
    const auto server = server_with(url_of(peer));
    const auto made = Organization::create(server->address(), token);
    EXPECT_TRUE(server->process().await_output("the bootstrap webhook was not told of " +
                                               made->id() + ": " + row.logged))
        << server->process().output();
    made->connect(made->alice());
  }
}

TEST_F(WebhookTest, NobodyListensTo) {
  const auto server = server_with("http://127.0.0.1:1/");
  const auto made = Organization::create(server->address(), token);
  EXPECT_TRUE(server->process().await_output("the bootstrap webhook was not told of "));
}

// The reply does not wait for it, and neither does the end of the server, beyond its own time.
TEST_F(WebhookTest, ThatNeverAnswersHoldsUpNothing) {
  const Peer peer{"http_server", {"--silent"}};
  const auto server = Deployment::get().start_server(
      {.arguments = {"--organization-bootstrap-webhook=" + url_of(peer),
                     "--shutdown-timeout=0.2"}});
  for (std::size_t number = 1; number <= 20; ++number) {
    const auto made = Organization::create(server->address(), token);
    made->connect(made->alice());
  }
  peer.told(16);  // as many as wait at once
  EXPECT_EQ(server->stop(), 0);
  EXPECT_THAT(server->process().output(), ::testing::HasSubstr("the server stops"));
}

}  // namespace
}  // namespace parsec::testing
