// What a generator knows of one of its connections, and what its two halves share: generator.cpp
// opens connections and keeps them, generator_round.cpp sends requests over them. For these two
// alone.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <string_view>

#include "bench/load/generator.h"

namespace parsec::bench {

struct Generator::Client {
  enum class State : std::uint8_t { lost, dialling, preparing, free, busy };

  Client(Login login_in, const std::string& host)
      : login(std::move(login_in)), session(login, host) {}

  Login login;
  ClientSession session;
  engine::ConnectionId id;
  State state = State::lost;
  bool is_visitor = false;
  DeviceNumber number;
  std::uint32_t prepared = 0;  // steps
  UnderWay request;
  engine::TimePoint free_since;
  // What its requests are about.
  Uuid realm_id;
  Uuid own_vlob;
  std::int64_t own_version = 0;
  Uuid own_block;
  std::int64_t checkpoint = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
};

/// Connections that are being opened at once: fewer than any server's backlog.
inline constexpr std::uint32_t most_dialling = 256;
/// Before a lost connection is opened again.
inline constexpr std::chrono::milliseconds redial_pause{100};

/// What this machine has too little of for one more connection; empty: it is not that.
inline std::string_view lack_behind(int dial_error) {
  switch (dial_error) {
    case EMFILE:
    case ENFILE:
      return "Too few open files are allowed for so many connections (ulimit -n)";
    case EADDRNOTAVAIL:
      return "All ports for connections to this server are taken (net.ipv4.ip_local_port_range)";
    case ENOBUFS:
    case ENOMEM:
      return "The kernel has too little memory for so many connections";
    default:
      return {};
  }
}

inline Uuid random_uuid(std::mt19937_64& random) {
  const std::array<std::uint64_t, 2> words{random(), random()};
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), words.data(), uuid.bytes.size());
  return uuid;
}

inline std::uint32_t below(std::mt19937_64& random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

}  // namespace parsec::bench
