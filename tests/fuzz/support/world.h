// A service whose surroundings are made by an input: clients, database, block store, events and
// time. It keeps what engine/handler.h promises to a service, and holds the service to what it
// promises to clients: frames that can be read, one reply at most for each message, nothing behind
// a Close.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/session/command_table.h"
#include "tests/fuzz/support/document.h"
#include "tests/fuzz/support/input.h"
#include "tests/support/service_fixture.h"

namespace parsec::testing {

class World : public ServiceFixture {
 public:
  World() : World(std::size_t{1} << 30) {}
  explicit World(std::size_t memory_limit);

  struct Client {
    engine::ConnectionId id;
    bool is_open = true;
    bool is_http = true;          // it has not got the 101 yet
    std::size_t messages = 0;     // that it sent whole, behind the handshake
    std::size_t replies = 0;      // that it got
    bool is_counted = true;       // else messages came in one piece with the head
    bool saw_close = false;       // a Close frame
    std::string head;             // what came before the 101
    std::vector<std::byte> part;  // of a frame
    websocket::FrameReader sent{websocket::Role::server};
    websocket::FrameReader received{websocket::Role::client};
    bool sent_violation = false;
  };

  // --- Clients

  Client& connect();
  /// Logged in; the database answers as it should.
  Client& connect(protocol::ConnectionKind kind);
  /// A device whose good answer to the challenge waits for the database.
  Client& connect_half();
  void send(Client& client, std::string_view bytes);
  void send_message(Client& client, websocket::Opcode opcode, std::string_view message);
  /// Takes all output, as a peer that reads does.
  void read(Client& client);
  /// No reply that it did not ask for.
  void check(const Client& client) const;
  /// The peer ends it.
  void leave(Client& client);
  /// The service may call a connection closed: then it is.
  void close_ended();

  // --- Around

  bool waits_for_database() const { return !database.submitted.empty(); }
  void answer_database(Input& input);
  void complete_block(Input& input);
  void event(Input& input);
  /// So many twentieths of the memory are taken by others.
  void press(std::int64_t twentieths);
  /// True: there was a deadline.
  bool pass_deadline(Client& client);

  /// Everybody leaves, all that is under way comes back, and nothing is left.
  void end();

  std::vector<std::unique_ptr<Client>> clients;

 private:
  void count_sent(Client& client, std::string_view bytes);
  void read_frames(Client& client, std::span<std::byte> bytes);
  void on_frame(Client& client, const websocket::FramePart& part);
  engine::ConnectionId open_invited();

  engine::MemoryBudget::Share elsewhere_{memory};
};

protocol::Event made_event(Input& input);

}  // namespace parsec::testing
