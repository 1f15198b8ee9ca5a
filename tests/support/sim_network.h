// A simulated clock and network, all driven by one seed: what SimRing (sim_ring.h) is the kernel
// side of. Clients are scripted or generated peers; bytes travel both ways in random pieces after
// random delays through buffers of limited size.
//
// One thread. Time passes only when somebody runs events.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ring/ring.h"

namespace parsec::testing {

class SimClient;
class SimNetwork;

/// One connection as the simulated kernels of both ends see it.
struct SimLink {
  std::shared_ptr<SimClient> client;

  std::string outgoing;  // the client's, not yet at the server
  std::string arrived;   // in the server's receive buffer
  bool client_finished = false;
  bool fin_arrived = false;
  bool vanished = false;

  std::string leaving;  // in the server's send buffer
  bool server_finished = false;
  bool end_delivered = false;
  bool client_reads = true;

  int error = 0;  // what the server's operations get once `arrived` is read
  bool closed_by_server = false;
  bool over = false;  // for the client
  bool moving_to_server = false;
  bool moving_to_client = false;
};

/// The other end of a connection. Callbacks run when the network's events do.
class SimClient {
 public:
  virtual ~SimClient() = default;
  virtual void on_connected() {}
  virtual void on_bytes(std::span<const std::byte> bytes) = 0;
  virtual void on_end() {}    // the server's FIN, after all its bytes
  virtual void on_reset() {}  // the server's RST: bytes on their way are lost

  /// Leaves in random pieces, as fast as the server reads. Nothing happens when it is over.
  void send(std::span<const std::byte> bytes);
  void send(std::string_view text) { send(std::as_bytes(std::span{text})); }
  /// FIN, behind what was sent before.
  void finish();
  /// RST, at once.
  void reset();
  /// From now on neither sends, nor reads, nor answers.
  void vanish();
  void set_reading(bool reading);
  /// Calls `action` later, unless the connection is over by then.
  void after(std::chrono::microseconds delay, std::function<void()> action);

 protected:
  SimNetwork& network() { return *network_; }

 private:
  friend class SimNetwork;
  SimNetwork* network_ = nullptr;
  std::weak_ptr<SimLink> link_;
};

struct SimNetworkOptions {
  std::uint64_t seed = 1;
  /// What a simulated kernel holds per socket and direction.
  std::uint32_t socket_buffer = 4096;
  std::chrono::microseconds longest_delay{2000};
  /// When the kernel gives up a peer that vanished.
  std::chrono::seconds peer_timeout{60};
};

class SimNetwork {
 public:
  explicit SimNetwork(SimNetworkOptions options) : options_(options), random_(options.seed) {}
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  engine::TimePoint now() const { return now_; }
  std::uint64_t random() { return random_(); }
  /// 0 <= result < bound
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  bool chance(std::uint32_t thousandths) { return below(1000) < thousandths; }
  std::chrono::nanoseconds delay();

  /// Something of another kind that happens at a time: a database answers, a timer rings.
  void schedule(std::chrono::nanoseconds delay, std::function<void()> event);
  /// Null when no event is left.
  const engine::TimePoint* next_event() const;
  void run_next_event();
  /// Not past the next event.
  void advance_to(engine::TimePoint time);

  /// The client connects after `delay`; the test looks at it afterwards, so it is shared.
  void connect(std::shared_ptr<SimClient> client, std::chrono::nanoseconds delay = {});

  // The server's kernel: who implements it, and what it does to a link.
  std::function<void(std::shared_ptr<SimLink>)> on_connection;  // in the accept queue now
  std::function<void(SimLink&)> on_change;  // something to receive, room to send, an error
  std::size_t take_arrived(const std::shared_ptr<SimLink>& link, std::span<std::byte> into);
  std::size_t put_leaving(const std::shared_ptr<SimLink>& link, std::span<const std::byte> from);
  void shut_down_write(const std::shared_ptr<SimLink>& link);
  void close(const std::shared_ptr<SimLink>& link, bool reset);
  std::size_t room(const SimLink& link) const;

 private:
  friend class SimClient;

  struct Event {
    engine::TimePoint at;
    std::uint64_t order;  // random among events of one moment
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  void pump(const std::shared_ptr<SimLink>& link);
  void move_to_server(const std::shared_ptr<SimLink>& link);
  void move_to_client(const std::shared_ptr<SimLink>& link);
  void break_by_peer(const std::shared_ptr<SimLink>& link, int error);

  SimNetworkOptions options_;
  std::mt19937_64 random_;
  engine::TimePoint now_ = engine::TimePoint{} + std::chrono::hours{1};
  std::priority_queue<Event> events_;
};

}  // namespace parsec::testing
