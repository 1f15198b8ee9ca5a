#include "bench/report/environment.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <fstream>
#include <memory>
#include <string_view>
#include <thread>

#include "app/command_line/version.h"
#include "app/core/stream.h"

namespace parsec::bench {

namespace {

constexpr std::chrono::seconds patience{5};
constexpr std::size_t longest_response = 16 * 1024;

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\"\r\n");
  if (first == std::string_view::npos) return {};
  return std::string{text.substr(first, text.find_last_not_of(" \t\"\r\n") - first + 1)};
}

/// The value of the first line `name<separator>value`.
std::string value_in(const std::string& file, std::string_view name, char separator) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(separator);
    if (at != std::string::npos && trimmed(std::string_view{line}.substr(0, at)) == name) {
      return trimmed(std::string_view{line}.substr(at + 1));
    }
  }
  return {};
}

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return trimmed(line);
}

std::string virtualisation(const std::string& root) {
  if (std::string kind = first_line(root + "/sys/hypervisor/type"); !kind.empty()) {
    return kind;
  }
  const std::string flags = " " + value_in(root + "/proc/cpuinfo", "flags", ':') + " ";
  if (!flags.contains(" hypervisor ")) return flags == "  " ? "" : "none";
  const std::string product = first_line(root + "/sys/class/dmi/id/product_name");
  return product.empty() ? "virtual machine" : "virtual machine (" + product + ")";
}

std::uint64_t memory_bytes(const std::string& root) {
  const std::string total = value_in(root + "/proc/meminfo", "MemTotal", ':');  // in kB
  return std::strtoull(total.c_str(), nullptr, 10) * 1024;
}

std::uint32_t cores(const std::string& root) {
  std::ifstream in(root + "/proc/cpuinfo");
  std::uint32_t count = 0;
  for (std::string line; std::getline(in, line);) count += line.starts_with("processor");
  return count > 0 ? count : std::thread::hardware_concurrency();
}

/// Rather too much than too little: of a URL all between `user:` and the last `@`, and every value
/// of a parameter like `password`; of libpq's other form all after that word.
std::string without_password(std::string text) {
  constexpr std::string_view word = "password";
  const std::size_t scheme = text.find("://");
  if (scheme == std::string::npos) {
    const std::size_t at = text.find(word);
    return at == std::string::npos ? text : text.substr(0, at + word.size()) + "=***";
  }
  const std::size_t host = text.rfind('@');
  const std::size_t colon = text.find(':', scheme + 3);
  if (host != std::string::npos && colon < host) text.replace(colon + 1, host - colon - 1, "***");
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
    at += word.size();
    text.replace(at, std::min(text.find('&', at), text.size()) - at, "=***");
  }
  return text;
}

}  // namespace

Environment describe_machine(const std::string& root) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  Environment machine;
  machine.date =
      fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
  machine.cpu_model = value_in(root + "/proc/cpuinfo", "model name", ':');
  machine.cores = cores(root);
  machine.memory_bytes = memory_bytes(root);
  machine.kernel = first_line(root + "/proc/sys/kernel/osrelease");
  machine.distribution = value_in(root + "/etc/os-release", "PRETTY_NAME", '=');
  machine.governor = first_line(root + "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  machine.virtualisation = virtualisation(root);
  machine.versions["parsec-bench"] = app::version;
  machine.versions["compiler"] = "GCC " __VERSION__;
  return machine;
}

std::map<std::string, std::string> postgresql_settings(const std::string& database_url) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection{PQconnectdb(database_url.c_str()),
                                                                &PQfinish};
  const std::unique_ptr<PGresult, decltype(&PQclear)> rows{
      PQexec(connection.get(),
             "SELECT name, current_setting(name) FROM pg_settings WHERE name IN ("
             "'server_version', 'shared_buffers', 'effective_cache_size', 'work_mem', "
             "'max_connections', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', "
             "'wal_compression', 'wal_buffers', 'wal_sync_method', 'min_wal_size', "
             "'max_wal_size', 'checkpoint_timeout', 'commit_delay', 'commit_siblings', "
             "'huge_pages', 'jit', 'autovacuum', 'data_checksums', 'random_page_cost')"),
      &PQclear};
  std::map<std::string, std::string> settings;
  for (int row = 0; row < PQntuples(rows.get()); ++row) {
    settings[PQgetvalue(rows.get(), row, 0)] = PQgetvalue(rows.get(), row, 1);
  }
  return settings;
}

std::string server_version(const protocol::BackendAddress& address) {
  const auto stream = app::Stream::connect(address, patience);
  if (!stream) return {};
  const std::string request =
      fmt::format("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", address.authority());
  if (!(*stream)->write_all(std::as_bytes(std::span{request}))) return {};
  std::string response;
  std::array<std::byte, 4096> buffer;
  while (response.size() < longest_response && !response.contains("\r\n\r\n")) {
    const auto count = (*stream)->read_some(buffer);
    if (!count || *count == 0) break;
    for (const std::byte each : std::span{buffer}.first(*count)) {
      response += static_cast<char>(each);
    }
  }
  std::string lower = response;
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char each) { return static_cast<char>(std::tolower(each)); });
  constexpr std::string_view header = "\r\nserver:";
  const std::size_t at = lower.find(header);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + header.size();
  return trimmed(std::string_view{response}.substr(begin, response.find("\r\n", begin) - begin));
}

std::string without_secrets(std::span<const std::string> arguments) {
  constexpr std::string_view token = "--administration-token";
  std::string line = "parsec-bench";
  bool secret = false;
  for (const std::string& argument : arguments) {
    line += ' ';
    if (secret) {
      line += "***";
    } else if (argument.starts_with(token) && argument.contains('=')) {
      line += fmt::format("{}=***", token);
    } else {
      line += without_password(argument);
    }
    secret = argument == token;
  }
  return line;
}

}  // namespace parsec::bench
