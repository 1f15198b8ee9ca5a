// A ring (concept: engine/ring/ring.h) over a simulated kernel on a SimNetwork: the shard's real
// loop runs on it, and the same seed gives the same run.
//
// It is hostile within the rules: short sends and receives, completions late and out of order
// (those of one operation of one socket stay in order, as the kernel keeps them), no receive
// buffers, multishot operations that end by themselves, accept without descriptors, a submission
// queue that is full. Resets, silence and stubbornness are the clients' part.
//
// And it checks what the loop owes to the kernel: memory in flight unchanged, one receive and one
// send per socket, no slot reused before the terminal completions of its last owner, no socket
// closed under an operation, every buffer given back once. What it finds is in violations().
//
// One thread. Time passes only inside submit_and_wait.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/ring/ring.h"
#include "tests/support/sim_network.h"

namespace parsec::testing {

struct SimRingOptions {
  bool multishot = true;
  std::uint32_t receive_buffers = 16;
  std::uint32_t receive_buffer_size = 256;

  // Probabilities in thousandths.
  std::uint32_t short_send = 200;
  std::uint32_t short_receive = 200;
  std::uint32_t no_buffer = 20;
  std::uint32_t multishot_ends = 50;
  std::uint32_t late_completion = 200;
  std::uint32_t accept_fails = 50;
  std::uint32_t submission_full = 10;
};

class SimRing {
 public:
  SimRing(SimNetwork& network, SimRingOptions options);
  SimRing(const SimRing&) = delete;
  SimRing& operator=(const SimRing&) = delete;

  // --- For the test ---

  /// The one listening socket, for the shard's constructor.
  static constexpr engine::Socket listener{1'000'000};

  /// The canary: swallows the next terminal completion of that kind, as a broken kernel would.
  void lose_next(engine::Operation operation) { lose_ = operation; }

  /// From the next wait on the kernel says that it lost completions; see lose_next().
  void admit_losses() { admits_losses_ = true; }

  /// The last wait would have lasted for ever: it had no timeout, and no event is left.
  bool stalled() const { return stalled_; }
  const std::vector<std::string>& violations() const { return violations_; }
  /// To be called when the shard says it has stopped: what it still holds joins violations().
  void check_stopped();
  std::size_t open_sockets() const { return sockets_.size(); }
  std::uint64_t completions() const { return completion_count_; }

  // --- The concept ---

  bool accept(engine::Socket socket, std::uint32_t index);
  bool receive(engine::ConnectionId id, engine::Socket socket);
  bool send(engine::ConnectionId id, engine::Socket socket, std::span<const std::byte> bytes);
  bool watch_hangup(engine::ConnectionId id, engine::Socket socket);
  bool wake_on(int fd);
  bool cancel_receive(engine::ConnectionId id);
  bool cancel_send(engine::ConnectionId id);
  bool cancel_hangup(engine::ConnectionId id);
  bool cancel_accept(std::uint32_t index);
  bool cancel_wake();
  bool close(engine::ConnectionId id, engine::Socket socket);
  void shutdown_write(engine::Socket socket);
  void reset_on_close(engine::Socket socket);
  void close_now(engine::Socket socket);
  std::string peer_address(engine::Socket) { return "192.0.2.1"; }
  void submit_and_wait(std::uint32_t wait_count, engine::WaitTime wait, engine::Counters& counters);
  bool next(engine::Completion& completion);
  void recycle(engine::BufferId buffer);
  std::uint32_t free_buffers() const { return static_cast<std::uint32_t>(free_.size()); }
  engine::TimePoint now() const { return network_.now(); }
  bool lost_completions() const { return lost_completions_; }
  void restart();

 private:
  /// A socket of the server and what is in flight on it.
  struct Open {
    engine::Socket number{};
    std::shared_ptr<SimLink> link;
    bool reset_on_close = false;
    std::optional<engine::ConnectionId> receiving;
    std::optional<engine::ConnectionId> sending;
    std::optional<engine::ConnectionId> watching;
    std::span<const std::byte> to_send;
  };
  struct Late {
    engine::TimePoint at;
    engine::Completion completion;
  };
  /// Completions of one operation of one socket: in order among themselves.
  using Stream = std::pair<engine::Socket, engine::Operation>;

  void violate(std::string text) { violations_.push_back(std::move(text)); }
  Open* find(engine::Socket socket, std::string_view what);
  bool start(engine::Operation operation, engine::ConnectionId id, std::function<void()> execute);
  bool cancel(engine::Operation cancelling, engine::Operation operation, engine::ConnectionId id,
              std::optional<engine::ConnectionId> Open::*of);
  void complete(engine::Socket socket, engine::Operation operation, engine::ConnectionId id,
                std::int32_t result, bool more = false);
  void push(engine::Socket socket, engine::Completion completion);
  void check_slot(engine::Operation operation, engine::ConnectionId id);
  void check_memory(const engine::Completion& completion);

  void on_connection(std::shared_ptr<SimLink> link);
  void on_change(SimLink& link);
  void try_accept();
  void try_receive(Open& open);
  void try_send(Open& open);
  void try_hangup(Open& open);
  void close_socket(engine::Socket socket);

  void execute_submitted();
  void harvest();
  void harvest_all();
  void poll_waker();
  std::optional<engine::TimePoint> next_moment() const;

  SimNetwork& network_;
  SimRingOptions options_;
  std::vector<std::function<void()>> submitted_;

  std::map<Stream, std::deque<Late>> late_;
  std::deque<engine::Completion> ready_;
  std::uint64_t completion_count_ = 0;

  std::vector<std::vector<std::byte>> buffers_;
  std::deque<std::uint16_t> free_;
  std::vector<bool> handed_out_;

  std::map<engine::Socket, Open> sockets_;
  std::map<const SimLink*, engine::Socket> socket_of_;
  std::vector<std::int32_t> free_numbers_;
  std::int32_t next_number_ = 3;
  std::deque<std::shared_ptr<SimLink>> accept_queue_;
  bool listening_ = true;
  std::optional<std::uint32_t> accepting_;
  std::optional<int> wake_fd_;  // while the read of it is in flight

  std::map<std::uint32_t, std::map<std::uint32_t, int>> in_flight_;  // slot, generation, count
  std::map<std::uint64_t, std::pair<std::span<const std::byte>, std::vector<std::byte>>> sent_;
  std::optional<engine::Operation> lose_;
  bool admits_losses_ = false;
  bool lost_completions_ = false;
  bool stalled_ = false;
  std::vector<std::string> violations_;
};

}  // namespace parsec::testing
