#include "tests/support/haproxy.h"

#include <fstream>
#include <iterator>

namespace parsec::testing {
namespace {

std::string contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

Haproxy::Haproxy(std::span<const Address> servers) {
  const std::filesystem::path file = directory_.path() / "haproxy.cfg";
  // Again where somebody took a port meanwhile: then it ends at once.
  for (int tries = 0; tries < 10; ++tries) {
    plain_port_ = free_port();
    tls_port_ = free_port();
    std::ofstream(file) << configuration(servers);
    process_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{"/usr/sbin/haproxy", "-db", "-f", file},
        std::map<std::string, std::string>{});
    if (await_listening()) return;
  }
  throw ClientError("haproxy does not start:\n" + process_->output());
}

bool Haproxy::await_listening() {
  const Deadline deadline = within(patience);
  while (std::chrono::steady_clock::now() < deadline) {
    try {
      Socket{plain()};
      return true;
    } catch (const ClientError&) {
      if (process_->wait_exit(Duration{10})) return false;
    }
  }
  return false;
}

std::string Haproxy::configuration(std::span<const Address> servers) {
  const std::filesystem::path pem = directory_.path() / "both.pem";
  std::ofstream(pem) << contents(certificate_.certificate()) << contents(certificate_.key());
  std::string text =
      "defaults\n"
      "  mode http\n"
      "  timeout connect 5s\n"
      "  timeout client 1m\n"
      "  timeout server 1m\n"
      "  timeout tunnel 1h\n"
      "  option redispatch\n"
      "frontend clients\n"
      "  bind 127.0.0.1:" +
      std::to_string(plain_port_) + "\n  bind 127.0.0.1:" + std::to_string(tls_port_) +
      " ssl crt " + pem.string() +
      "\n  http-request set-header X-Forwarded-Proto http\n"
      "  http-request set-header X-Forwarded-Proto https if { ssl_fc }\n"
      "  default_backend servers\n"
      "backend servers\n"
      "  balance roundrobin\n"
      "  option httpchk GET /\n"
      "  option log-health-checks\n"
      "  default-server check inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions\n";
  for (std::size_t i = 0; i < servers.size(); ++i) {
    text += "  server s" + std::to_string(i) + " " + servers[i].host + ":" +
            std::to_string(servers[i].port) + "\n";
  }
  return text;
}

Address Haproxy::tls() const {
  return {.port = tls_port_, .tls = TlsPeerOptions{.trusted = certificate_.certificate()}};
}

}  // namespace parsec::testing
