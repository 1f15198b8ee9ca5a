// parsec-bench-echo: the least that any server of the protocol must do, to compare ours with.
//
// One thread, one io_uring, multishot accept and receive into provided buffers, one send per batch
// of frames. It answers the WebSocket opening, sends every binary frame back with the same payload,
// and knows nothing else: no limits, no timers, no pings, no polite end. For load generators alone.
//
// `parsec-bench-echo [--host=127.0.0.1] [--port=0]` prints `listening on <port>` and serves until
// SIGINT or SIGTERM ends it.
#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>

#include "bench/limits/echo/echo.h"

namespace {

/// A listening socket, and the port it got; throws.
int listen_on(const std::string& host, std::uint16_t& port) {
  const auto failed = [](const char* what) {
    return std::system_error(errno, std::generic_category(), what);
  };
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) throw failed("socket");
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error(host + " is no IPv4 address");
  }
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0)
    throw failed("bind");
  if (::listen(listener, 4096) != 0) throw failed("listen");
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return listener;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A bare io_uring echo of WebSocket frames, to compare a server with."};
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  app.add_option("--host", host, "IPv4 address to listen on")->capture_default_str();
  app.add_option("--port", port, "0: any")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const int listener = listen_on(host, port);
    parsec::bench::Echo echo{listener};
    fmt::print("listening on {}\n", port);
    std::fflush(stdout);
    echo.run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "parsec-bench-echo: {}\n", error.what());
    return 1;
  }
}
