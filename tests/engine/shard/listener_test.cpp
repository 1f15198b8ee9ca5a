#include "engine/shard/listener.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/loopback.h"

namespace parsec::engine {
namespace {

using parsec::testing::Loopback;

int get_option(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

void close_all(const std::vector<Socket>& sockets) {
  for (const Socket socket : sockets) ::close(static_cast<int>(socket));
}

TEST(Listener, AcceptedConnectionsInheritTheirOptions) {
  Limits limits;
  limits.keepalive_idle = std::chrono::seconds{33};
  limits.user_timeout = Duration{44'000};
  auto listening = ListeningSockets::bind({}, 1, limits);
  ASSERT_TRUE(listening.has_value()) << listening.error();
  ASSERT_TRUE(listening->listen(1).has_value());
  ASSERT_NE(listening->port(), 0);
  const auto sockets = listening->take(0);
  ASSERT_EQ(sockets.size(), 1u);
  Loopback client(listening->port());
  const int accepted = ::accept(static_cast<int>(sockets[0]), nullptr, nullptr);
  ASSERT_GE(accepted, 0);
  EXPECT_EQ(get_option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(get_option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(get_option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 33);
  EXPECT_EQ(get_option(accepted, IPPROTO_TCP, TCP_KEEPINTVL), 15);
  EXPECT_EQ(get_option(accepted, IPPROTO_TCP, TCP_KEEPCNT), 4);
  EXPECT_EQ(get_option(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT), 44'000);
  ::close(accepted);
  close_all(sockets);
}

TEST(Listener, OpensOneSocketPerShardOnOnePort) {
  auto listening = ListeningSockets::bind({}, 3, {});
  ASSERT_TRUE(listening.has_value()) << listening.error();
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    const auto sockets = listening->take(shard);
    EXPECT_EQ(sockets.size(), 1u);
    EXPECT_TRUE(listening->take(shard).empty()) << "taken once";
    close_all(sockets);
  }
}

TEST(Listener, UnderstandsNamesAndFamilies) {
  for (const char* host : {"127.0.0.1", "localhost", "0.0.0.0", ""}) {
    auto listening = ListeningSockets::bind({.host = host}, 1, {});
    ASSERT_TRUE(listening.has_value()) << host << ": " << listening.error();
    ASSERT_TRUE(listening->listen(1).has_value());
    Loopback client(listening->port());
  }
  const int probe = ::socket(AF_INET6, SOCK_STREAM, 0);
  if (probe < 0) GTEST_SKIP() << "no IPv6 here";
  ::close(probe);
  auto listening = ListeningSockets::bind({.host = "::1"}, 1, {});
  if (!listening) {
    EXPECT_NE(listening.error().find("::1"), std::string::npos);
  } else {
    EXPECT_NE(listening->port(), 0);
  }
}

TEST(Listener, RefusesAPortThatAnotherListenerHas) {
  // Whether that one allows sharing or not.
  for (const int shares : {0, 1}) {
    const int other = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_GE(other, 0);
    ::setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &shares, sizeof shares);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(other, generic, size), 0);
    ASSERT_EQ(::listen(other, 1), 0);
    ASSERT_EQ(::getsockname(other, generic, &size), 0);
    const auto listening = ListeningSockets::bind({.port = ntohs(address.sin_port)}, 2, {});
    EXPECT_FALSE(listening.has_value());
    ::close(other);
  }
}

// A server that binds early, as root, must not let clients wait for its start; nor deal any out to
// shards that there are not in the end.
TEST(Listener, LetsNobodyInBeforeItIsToldForHowManyShards) {
  auto listening = ListeningSockets::bind({}, 3, {});
  ASSERT_TRUE(listening.has_value()) << listening.error();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(listening->port());
  const auto connects = [&] {
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected =
        ::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(client);
    return connected;
  };
  EXPECT_FALSE(connects());
  ASSERT_TRUE(listening->listen(1).has_value());
  EXPECT_TRUE(connects());
  const auto sockets = listening->take(0);
  for (int clients = 0; clients < 20; ++clients) {
    EXPECT_TRUE(connects());
    const int accepted = ::accept(static_cast<int>(sockets[0]), nullptr, nullptr);
    EXPECT_GE(accepted, 0);
    ::close(accepted);
  }
  close_all(sockets);
}

TEST(Listener, SaysWhichAddressIsNotOurs) {
  const auto listening = ListeningSockets::bind({.host = "192.0.2.77", .port = 7}, 1, {});
  ASSERT_FALSE(listening.has_value());
  EXPECT_NE(listening.error().find("192.0.2.77"), std::string::npos) << listening.error();
}

}  // namespace
}  // namespace parsec::engine
