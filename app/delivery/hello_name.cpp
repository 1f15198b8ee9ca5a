#include "app/delivery/hello_name.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

namespace parsec::app {
namespace {

constexpr std::string_view ipv6_tag = "IPv6:";

bool is_address(int family, std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  return ::inet_pton(family, std::string{text}.c_str(), bytes.data()) == 1;
}

/// RFC 5321 §4.1.2: sub-domains of letters, digits and hyphens, none of them at either end.
bool is_label(std::string_view text) {
  const auto is_letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [&](char c) { return c == '-' || is_letter_or_digit(c); });
}

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 255 || is_address(AF_INET, text)) return false;
  while (true) {
    const auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// The host's own name, and that which the resolver has for it, this first.
std::vector<std::string> own_names() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return {};
  std::vector<std::string> names{host.data()};
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.data(), nullptr, &hints, &found) != 0) return names;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, &::freeaddrinfo};
  if (found->ai_canonname != nullptr) names.insert(names.begin(), found->ai_canonname);
  return names;
}

/// IPv4 before IPv6, none that is good on this machine or link only.
std::vector<std::string> own_addresses() {
  ifaddrs* interfaces = nullptr;
  if (::getifaddrs(&interfaces) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{interfaces, &::freeifaddrs};
  std::vector<std::string> v4;
  std::vector<std::string> v6;
  for (const ifaddrs* one = interfaces; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const void* address = nullptr;
    if (family == AF_INET) {
      address = &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
    } else {
      const auto* in6 = &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
      if (IN6_IS_ADDR_LINKLOCAL(in6)) continue;
      address = in6;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (::inet_ntop(family, address, text.data(), text.size()) == nullptr) continue;
    (family == AF_INET ? v4 : v6).emplace_back(text.data());
  }
  v4.insert(v4.end(), v6.begin(), v6.end());
  return v4;
}

}  // namespace

bool is_hello_name(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return is_domain(text);
  text = text.substr(1, text.size() - 2);
  if (!text.starts_with(ipv6_tag)) return is_address(AF_INET, text);
  return is_address(AF_INET6, text.substr(ipv6_tag.size()));
}

std::string choose_hello_name(const std::vector<std::string>& names,
                              const std::vector<std::string>& addresses) {
  for (std::string_view name : names) {
    if (name.ends_with('.')) name.remove_suffix(1);  // the root of DNS
    if (name.contains('.') && is_domain(name)) return std::string{name};
  }
  for (const std::string& address : addresses) {
    if (is_address(AF_INET, address)) return "[" + address + "]";
    if (is_address(AF_INET6, address)) return "[" + std::string{ipv6_tag} + address + "]";
  }
  return "[127.0.0.1]";
}

std::string find_hello_name() { return choose_hello_name(own_names(), own_addresses()); }

}  // namespace parsec::app
