// What a measurement does: which commands in which proportion, by how many connections, on which
// population. Read from JSON (bench/scenarios/*.json); what is not known there is an error.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/population/population.h"

namespace parsec::bench {

class JsonReader;

enum class Command : std::uint8_t {
  ping,
  handshake,  // a connection of its own, from TCP to `ok`
  vlob_create,
  vlob_read,
  vlob_update,
  vlob_poll_changes,
  block_create,
  block_read,
  user_get,
  human_find,
  realm_stats,
  message_get,
  fan_out,       // a vlob_update, until the last subscriber has heard of it
  reencryption,  // of a realm of the connection's own, from start to finish
};
inline constexpr std::size_t command_count = static_cast<std::size_t>(Command::reencryption) + 1;
std::string_view name(Command command);
std::optional<Command> parse_command(std::string_view text);

struct CommandShare {
  Command command = Command::ping;
  double weight = 1;
  /// Of the ping's text, the blob or the block; of other commands ignored.
  std::uint32_t bytes = 60;
  /// Of a re-encryption: in the realm, and at once; of other commands ignored.
  std::uint32_t vlobs = 100;
  std::uint32_t batch = 100;
  /// Of a poll: all that there ever was, not what is new.
  bool from_start = false;
};

struct Scenario {
  std::string name;
  std::string description;
  PopulationSize population;
  std::uint32_t connections = 1;
  /// Connections beside those: of whom some listen to events, and others are only logged in.
  std::uint32_t subscribers = 0;
  std::uint32_t idle = 0;
  /// How connections are dealt out to organizations: the one of rank k gets a part that goes with
  /// 1 / k^zipf. 0: all get the same.
  double zipf = 0;
  std::vector<CommandShare> commands;

  /// The first of that command; null: it is not used.
  const CommandShare* share_of(Command command) const;
  bool uses(Command command) const { return share_of(command) != nullptr; }
  std::uint32_t all_connections() const { return connections + subscribers + idle; }
  /// What results call it: with its size, where the command is there more than once.
  std::string label(const CommandShare& share) const;
  /// A small part of everything, only to see it run.
  void shrink();
  /// Whether what is asked for can be done; numbers may have been changed since it was read.
  std::expected<void, std::string> check() const;

  /// The error names the place: `commands[1].weight: must be above 0`.
  static std::expected<Scenario, std::string> parse(std::string_view json);
  /// All of its members but those of `also`, which are somebody else's; what is wrong is told to
  /// the reader.
  static Scenario read(JsonReader& reader, std::initializer_list<std::string_view> also = {});
  static std::expected<Scenario, std::string> load(const std::string& file);
};

/// The organization of each of `connections`, in the order in which they are opened: any first part
/// of them is dealt out alike.
std::vector<std::uint32_t> deal_out(std::uint32_t connections, std::uint32_t organizations,
                                    double zipf);

}  // namespace parsec::bench
