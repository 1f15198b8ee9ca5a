#include "protocol/mail/bootstrap_notice.h"

#include <gtest/gtest.h>

namespace parsec::protocol {
namespace {

TEST(WebhookBody, HoldsWhatTheContractNames) {
  EXPECT_EQ(webhook_body({"CoolOrg", "alice@dev1", "PC", HumanHandle{"a@example.com", "Alice"}}),
            R"({"organization_id": "CoolOrg", "device_id": "alice@dev1", "device_label": "PC", )"
            R"("human_email": "a@example.com", "human_label": "Alice"})");
  EXPECT_EQ(webhook_body({"CoolOrg", "alice@dev1", std::nullopt, std::nullopt}),
            R"({"organization_id": "CoolOrg", "device_id": "alice@dev1", "device_label": null, )"
            R"("human_email": null, "human_label": null})");
}

TEST(WebhookBody, EscapesWhatIsNotPlain) {
  const std::pair<std::string, std::string> rows[] = {
      {"a\"b\\c/", R"("a\"b\\c/")"}, {"é 日", R"("\u00e9 \u65e5")"},
      {"😀", R"("\ud83d\ude00")"},    {std::string{"\0\n\x7F", 3}, R"("\u0000\u000a\u007f")"},
      {"\xFF", R"("\ufffd")"},       {"", R"("")"},
  };
  for (const auto& [text, json] : rows) {
    const auto body = webhook_body({"Org", "a@d", text, std::nullopt});
    EXPECT_NE(body.find("\"device_label\": " + json + ", "), std::string::npos) << body;
  }
}

}  // namespace
}  // namespace parsec::protocol
