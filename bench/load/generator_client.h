// A connection of a generator, as the two halves of Generator share it.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "bench/load/generator.h"

namespace parsec::bench {

/// Before a lost connection is opened again.
inline constexpr std::chrono::milliseconds redial_pause{100};

struct Generator::Client {
  enum class State : std::uint8_t {
    lost,
    dialling,
    preparing,  // sends what its requests need, or subscribes
    resting,    // subscribed, or idle
    free,
    busy,
  };

  Client(Login login_in, const Placed& placed_in, const GeneratorSettings& settings,
         std::mt19937_64& random)
      : login(std::move(login_in)),
        session(login, settings.host),
        placed(placed_in),
        conversation(settings.population, settings.scenario, placed.device, placed.number, random) {
  }

  Login login;
  ClientSession session;
  const Placed placed;
  Conversation conversation;
  engine::ConnectionId id;
  State state = State::lost;
  bool is_visitor = false;
  UnderWay request;
  engine::TimePoint free_since;
  std::uint64_t received_bytes = 0;
};

}  // namespace parsec::bench
