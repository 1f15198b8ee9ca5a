#include "protocol/events/notification.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/msgpack/msgpack_reader.h"
#include "tests/protocol/msgpack_text.h"

namespace parsec::protocol {
namespace {

TEST(Notification, IsTheMapWithoutItsLastValue) {
  Notification notification{"realm.vlobs_updated", 2};
  notification.key("author").str("alice@dev1");
  notification.key("checkpoint");
  auto bytes = std::string{as_text(notification.bytes())};
  EXPECT_FALSE(msgpack::parse(as_bytes(bytes)));
  bytes += '\x2A';  // what the transaction appends
  const auto document = msgpack::parse(as_bytes(bytes));
  ASSERT_TRUE(document);
  EXPECT_EQ(document->count(), 4u);
  EXPECT_EQ(document->find("__id__")->str().size(), 32u);
  EXPECT_EQ(document->find("__signal__")->str(), "realm.vlobs_updated");
  EXPECT_EQ(document->find("author")->str(), "alice@dev1");
  EXPECT_EQ(document->find("checkpoint")->integer(), 42);
}

}  // namespace
}  // namespace parsec::protocol
