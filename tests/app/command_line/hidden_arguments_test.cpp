#include "app/command_line/hidden_arguments.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace parsec::app {
namespace {

/// As the kernel shows them afterwards.
std::vector<std::string> hidden(std::vector<std::string> arguments) {
  std::vector<char*> values;
  for (auto& argument : arguments) values.push_back(argument.data());
  hide_secrets(values);
  for (auto& argument : arguments) argument.erase(argument.find_last_not_of(' ') + 1);
  return arguments;
}

using Arguments = std::vector<std::string>;

TEST(HiddenArguments, SecretsAreOverwrittenAndNothingElse) {
  EXPECT_EQ(hidden({"backend", "run", "--db=postgresql://u:p@h/d", "--port", "1"}),
            (Arguments{"backend", "run", "--db=***", "--port", "1"}));
  EXPECT_EQ(hidden({"-b", "s3::r:b:k:secret", "-P", "1"}), (Arguments{"-b", "***", "-P", "1"}));
  EXPECT_EQ(hidden({"-bs3::r:b:k:secret"}), (Arguments{"-b***"}));
  for (const std::string option :
       {"--administration-token", "--email-host-password", "--organization-bootstrap-webhook",
        "--sentry-url", "--blockstore", "--db"}) {
    EXPECT_EQ(hidden({option + "=secret"}), (Arguments{option + "=***"}));
    EXPECT_EQ(hidden({option, "secret", "--dev"}), (Arguments{option, "***", "--dev"}));
    EXPECT_EQ(hidden({option}), (Arguments{option}));
    EXPECT_EQ(hidden({option + "="}), (Arguments{option + "="}));
  }
  EXPECT_EQ(hidden({"--db-workers=1", "--email-host", "h", "x"}),
            (Arguments{"--db-workers=1", "--email-host", "h", "x"}));
  EXPECT_EQ(hidden({}), Arguments{});
}

}  // namespace
}  // namespace parsec::app
