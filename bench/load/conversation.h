// What one connection of the generator says once it is logged in, without I/O: first what it needs
// for its requests (a vlob, a block, a realm of its own), then requests, each of one message or of
// several.
//
//   while (conversation.prepare(out)) { … send, await `ok` … }
//   conversation.begin(share, out);                       // send
//   while (conversation.goes_on(share, reply, out)) { … } // send what it wrote, await the reply
//
// Thread of its connection.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "bench/load/scenario.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::bench {

std::string_view status_of(const msgpack::Value& reply);

class Conversation {
 public:
  /// author: number among the active connections. All but the device outlive it.
  Conversation(const Population& population, const Scenario& scenario, const DeviceNumber& device,
               std::uint32_t author, std::mt19937_64& random);

  /// On a new connection. What an earlier one made is left alone: its last request may have been
  /// carried out or not.
  void restart();
  /// Writes what is needed before the first request, a message each time; false: nothing more.
  bool prepare(msgpack::Writer& out);

  /// share: of the scenario. Any command but handshake.
  void begin(const CommandShare& share, msgpack::Writer& out);
  /// Writes the request's next message, if the reply was not the last.
  bool goes_on(const CommandShare& share, const msgpack::Value& reply, msgpack::Writer& out);

  /// What the update under way makes; of a fan-out.
  const Uuid& own_vlob() const { return own_vlob_; }
  std::int64_t next_version() const { return own_version_ + 1; }

 private:
  enum class Maintenance : std::uint8_t { starting, reading, saving, finishing };

  bool goes_on_reencrypting(const CommandShare& share, const msgpack::Value& reply,
                            msgpack::Writer& out);

  const Population& population_;
  const Scenario& scenario_;
  const DeviceNumber device_;
  const std::uint32_t author_;
  std::mt19937_64& random_;

  Uuid realm_id_;
  std::uint64_t prepared_ = 0;  // messages
  Uuid own_vlob_;
  std::int64_t own_version_ = 0;
  std::vector<Uuid> own_blocks_;  // one for each of the scenario's commands that reads one
  std::int64_t checkpoint_ = 0;
  // Re-encryption works on a realm that nobody else uses: others would be refused meanwhile.
  Uuid own_realm_;
  std::int64_t revision_ = 1;
  Maintenance maintenance_ = Maintenance::starting;
};

}  // namespace parsec::bench
