#include "protocol/session/settings.h"

#include <gtest/gtest.h>

namespace parsec::protocol {
namespace {

TEST(Settings, DefaultsGoTogether) {
  const Settings settings;
  EXPECT_LE(settings.stranger_high_water, settings.output_high_water);
  EXPECT_LT(settings.most_wrong_token_pause, settings.handshake_timeout);
  EXPECT_LE(settings.max_list_bytes * 2, settings.max_result_bytes);
}

}  // namespace
}  // namespace parsec::protocol
