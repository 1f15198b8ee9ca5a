// parsec-instructions: does one kind of request so many times. `bench/instructions/count` runs it
// under callgrind, twice, and takes the difference, so that what happens once does not count.
#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <functional>
#include <string_view>

#include "bench/instructions/request_path.h"

namespace {

constexpr std::size_t subscribers = 100;

struct Sequence {
  std::string_view name;
  std::function<void(parsec::bench::RequestPath&)> prepare;
  void (parsec::bench::RequestPath::*step)();
};

}  // namespace

int main(int argc, char** argv) {
  using parsec::bench::RequestPath;
  const Sequence sequences[] = {
      {"ping", {}, &RequestPath::ping},
      {"told_ping", {}, &RequestPath::told_ping},
      {"vlob_read", {}, &RequestPath::vlob_read},
      {"vlob_update", {}, &RequestPath::vlob_update},
      {"handshake", {}, &RequestPath::handshake},
      {"fan_out_100", [](RequestPath& path) { path.subscribe(subscribers); },
       &RequestPath::fan_out},
  };
  if (argc == 1) {
    for (const auto& sequence : sequences) fmt::print("{}\n", sequence.name);
    return 0;
  }
  std::uint64_t times = 0;
  const std::string_view number{argc == 3 ? argv[2] : ""};
  const auto read = std::from_chars(number.data(), number.data() + number.size(), times);
  for (const auto& sequence : sequences) {
    if (number.empty() || read.ec != std::errc{} || sequence.name != argv[1]) continue;
    RequestPath path;
    if (sequence.prepare) sequence.prepare(path);
    for (std::uint64_t i = 0; i < times; ++i) (path.*sequence.step)();
    return 0;
  }
  fmt::print(stderr, "usage: parsec-instructions [<sequence> <times>]; without: their names\n");
  return 1;
}
