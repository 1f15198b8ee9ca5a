#include "app/command_line/proxy_settings.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/outbound/http_url.h"

namespace parsec::app {
namespace {

/// Those that libcurl reads for http and https; HTTP_PROXY is none of them.
constexpr std::array variables{"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                               "ALL_PROXY"};
constexpr std::array<std::string_view, 6> schemes{"http",    "https",  "socks4",
                                                  "socks4a", "socks5", "socks5h"};

}  // namespace

std::optional<std::string> complaint_about_proxies(const Environment& environment) {
  for (const std::string_view name : variables) {
    auto value = environment(name);
    if (!value || value->empty()) continue;
    // libcurl's own default. A password may hold a `://`, too.
    const std::string_view scheme = std::string_view{*value}.substr(0, value->find("://"));
    const bool has_scheme = std::ranges::find(schemes, scheme) != schemes.end();
    if (!has_scheme) value->insert(0, "http://");
    const auto complaint = engine::complaint_about_url(*value, engine::UrlUser::allowed);
    if (complaint) return "The proxy in the variable " + std::string{name} + " " + *complaint;
  }
  return std::nullopt;
}

}  // namespace parsec::app
