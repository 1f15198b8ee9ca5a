#include "tests/support/peer.h"

#include <simdjson.h>

#include <algorithm>
#include <string_view>

#include "tests/support/socket.h"
#include "tests/support/source_tree.h"

namespace parsec::testing {
namespace {

std::vector<std::string> command(const std::string& script, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(),
                   {"/usr/bin/python3", source_path("tests/support/") + script + ".py"});
  return arguments;
}

/// What stands behind `word ` at the beginning of a line, to its end.
std::string after(std::string_view output, std::string_view word) {
  const auto at = output.find(word);
  if (at == output.npos) return {};
  const auto rest = output.substr(at + word.size());
  return std::string{rest.substr(0, rest.find('\n'))};
}

}  // namespace

Peer::Peer(const std::string& script, std::vector<std::string> arguments)
    : process_(command(script, std::move(arguments)),
               {{"PEER_DIRECTORY", directory_.path().native()}, {"PYTHONDONTWRITEBYTECODE", "1"}}) {
  if (!process_.await_output(".\n") || !process_.output().contains("listening on ")) {
    throw ClientError(script + " does not start: " + process_.output());
  }
  const std::string output = process_.output();
  port_ = static_cast<std::uint16_t>(std::stoi(after(output, "listening on ")));
  certificate_ = after(output, "certificate ");
}

std::map<std::string, std::string> Peer::told(std::size_t number) const {
  const std::string mark = "\ntold " + std::to_string(number) + "\n";
  if (!process_.await_output(mark)) {
    throw ClientError("nothing number " + std::to_string(number) + ": " + process_.output());
  }
  const std::string output = process_.output();
  const auto end = output.find(mark);
  const auto begin = output.rfind('\n', end - 1) + 1;
  simdjson::dom::parser parser;
  std::map<std::string, std::string> values;
  const simdjson::dom::object object = parser.parse(output.substr(begin, end - begin));
  for (const auto& [key, value] : object) {
    values.emplace(key, std::string_view{value.get_string()});
  }
  return values;
}

std::size_t Peer::count() const {
  const std::string output = process_.output();
  std::size_t number = 0;
  for (auto at = output.find("\ntold "); at != output.npos; at = output.find("\ntold ", at + 1)) {
    ++number;
  }
  return number;
}

}  // namespace parsec::testing
