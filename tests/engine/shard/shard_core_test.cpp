// The tables of errors; what shard_core.h does otherwise is tested by what a shard promises
// (shard_test.cpp).
#include "engine/shard/shard_core.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace parsec::engine {
namespace {

TEST(ShardCore, TellsErrorsOfOneConnectionFromThoseThatWouldRepeat) {
  for (const int error : {ECONNABORTED, EINTR, EPERM, EPROTO, ENETDOWN, EHOSTUNREACH}) {
    EXPECT_TRUE(concerns_one_connection(error)) << error;
  }
  // Tried again at once, each of these would make the loop spin.
  for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS, EINVAL, EBADF}) {
    EXPECT_FALSE(concerns_one_connection(error)) << error;
  }
}

TEST(ShardCore, NamesTheReasonOfAnError) {
  for (const int error : {ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETDOWN}) {
    EXPECT_EQ(reason_of_error(error), CloseReason::peer_reset) << error;
  }
  for (const int error : {0, EINVAL, EBADF, ENOMEM, EFAULT}) {
    EXPECT_EQ(reason_of_error(error), CloseReason::internal_error) << error;
  }
}

}  // namespace
}  // namespace parsec::engine
