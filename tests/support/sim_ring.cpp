#include "tests/support/sim_ring.h"

#include <poll.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

namespace parsec::testing {

using engine::BufferId;
using engine::Completion;
using engine::ConnectionId;
using engine::Operation;
using engine::Socket;
using engine::TimePoint;
using engine::WaitTime;

namespace {

std::string describe(ConnectionId id) {
  return std::to_string(id.slot) + "/" + std::to_string(id.generation);
}

}  // namespace

SimRing::SimRing(SimNetwork& network, SimRingOptions options)
    : network_(network),
      options_(options),
      buffers_(options.receive_buffers, std::vector<std::byte>(options.receive_buffer_size)),
      handed_out_(options.receive_buffers, false) {
  for (std::uint32_t i = 0; i < options.receive_buffers; ++i) {
    free_.push_back(static_cast<std::uint16_t>(i));
  }
  network_.on_connection = [this](auto link) { on_connection(std::move(link)); };
  network_.on_change = [this](SimLink& link) { on_change(link); };
}

void SimRing::check_stopped() {
  if (free_.size() != buffers_.size()) violate("receive buffers were not given back");
  if (!sockets_.empty()) violate(std::to_string(sockets_.size()) + " sockets are still open");
  if (listening_) violate("the listening socket is still open");
  if (accepting_) violate("an accept is still in flight");
  if (wake_fd_) violate("the read of the waker is still in flight");
  for (const auto& [slot, generations] : in_flight_) {
    for (const auto& [generation, count] : generations) {
      if (count != 0) violate("in flight at the end: " + describe({slot, generation}));
    }
  }
}

SimRing::Open* SimRing::find(Socket socket, std::string_view what) {
  const auto found = sockets_.find(socket);
  if (found != sockets_.end()) return &found->second;
  violate(std::string(what) + " on a socket that is not open");
  return nullptr;
}

// --- Starting operations: queued now, executed by submit_and_wait ---

bool SimRing::start(Operation operation, ConnectionId id, std::function<void()> execute) {
  if (network_.chance(options_.submission_full)) return false;
  const bool of_connection = operation != Operation::accept && operation != Operation::wake &&
                             operation != Operation::cancel_accept &&
                             operation != Operation::cancel_wake;
  if (of_connection) check_slot(operation, id);
  submitted_.push_back(std::move(execute));
  return true;
}

/// Counts the operation in, and looks for one of the slot's former owner that has not reported.
void SimRing::check_slot(Operation operation, ConnectionId id) {
  auto& generations = in_flight_[id.slot];
  for (const auto& [generation, count] : generations) {
    if (generation != id.generation && count != 0) {
      violate("slot " + describe(id) + " was reused while an operation of generation " +
              std::to_string(generation) + " was in flight");
    }
  }
  if (operation == Operation::close && generations[id.generation] != 0) {
    violate("close with an operation in flight: " + describe(id));
  }
  ++generations[id.generation];
}

bool SimRing::accept(Socket socket, std::uint32_t index) {
  return start(Operation::accept, {index, 0}, [this, socket, index] {
    if (socket != listener || !listening_) return violate("accept on no listener");
    if (accepting_) violate("two accepts in flight");
    accepting_ = index;
    try_accept();
  });
}

bool SimRing::receive(ConnectionId id, Socket socket) {
  return start(Operation::receive, id, [this, id, socket] {
    Open* open = find(socket, "receive");
    if (open == nullptr) return;
    if (open->receiving) violate("two receives in flight: " + describe(id));
    // As Linux does: a buffer is picked before it is known whether there is anything to receive.
    if (free_.empty() || network_.chance(options_.no_buffer)) {
      return complete(socket, Operation::receive, id, -ENOBUFS);
    }
    open->receiving = id;
    try_receive(*open);
  });
}

bool SimRing::send(ConnectionId id, Socket socket, std::span<const std::byte> bytes) {
  if (bytes.empty()) violate("a send of nothing");
  return start(Operation::send, id, [this, id, socket, bytes] {
    Open* open = find(socket, "send");
    if (open == nullptr) return;
    if (open->sending) violate("two sends in flight: " + describe(id));
    open->sending = id;
    open->to_send = bytes;
    sent_[id.packed()] = {bytes, {bytes.begin(), bytes.end()}};
    try_send(*open);
  });
}

bool SimRing::watch_hangup(ConnectionId id, Socket socket) {
  return start(Operation::hangup, id, [this, id, socket] {
    Open* open = find(socket, "poll");
    if (open == nullptr) return;
    if (open->watching) violate("two polls in flight: " + describe(id));
    open->watching = id;
    try_hangup(*open);
  });
}

bool SimRing::wake_on(int fd) {
  return start(Operation::wake, {}, [this, fd] {
    if (wake_fd_) violate("two reads of the waker in flight");
    wake_fd_ = fd;
  });
}

bool SimRing::cancel(engine::Operation cancelling, engine::Operation operation, ConnectionId id,
                     std::optional<ConnectionId> Open::*of) {
  return start(cancelling, id, [this, cancelling, operation, id, of] {
    for (auto& [number, open] : sockets_) {
      if (open.*of != id) continue;
      (open.*of).reset();
      complete(number, operation, id, -ECANCELED);
      return complete(number, cancelling, id, 0);
    }
    complete(Socket::none, cancelling, id, -ENOENT);
  });
}

bool SimRing::cancel_receive(ConnectionId id) {
  return cancel(Operation::cancel_receive, Operation::receive, id, &Open::receiving);
}

bool SimRing::cancel_send(ConnectionId id) {
  return cancel(Operation::cancel_send, Operation::send, id, &Open::sending);
}

bool SimRing::cancel_hangup(ConnectionId id) {
  return cancel(Operation::cancel_hangup, Operation::hangup, id, &Open::watching);
}

bool SimRing::cancel_accept(std::uint32_t index) {
  return start(Operation::cancel_accept, {index, 0}, [this, index] {
    if (accepting_) complete(listener, Operation::accept, {index, 0}, -ECANCELED);
    accepting_.reset();
    complete(listener, Operation::cancel_accept, {index, 0}, 0);
  });
}

bool SimRing::cancel_wake() {
  return start(Operation::cancel_wake, {}, [this] {
    if (wake_fd_) complete(Socket::none, Operation::wake, {}, -ECANCELED);
    wake_fd_.reset();
    complete(Socket::none, Operation::cancel_wake, {}, 0);
  });
}

bool SimRing::close(ConnectionId id, Socket socket) {
  return start(Operation::close, id, [this, id, socket] {
    close_socket(socket);
    complete(socket, Operation::close, id, 0);
  });
}

void SimRing::shutdown_write(Socket socket) {
  if (const Open* open = find(socket, "shutdown")) network_.shut_down_write(open->link);
}

void SimRing::reset_on_close(Socket socket) {
  if (Open* open = find(socket, "SO_LINGER")) open->reset_on_close = true;
}

void SimRing::close_now(Socket socket) {
  if (socket == listener) {
    if (accepting_) violate("the listening socket was closed under an accept");
    listening_ = false;
    return;
  }
  close_socket(socket);
}

void SimRing::close_socket(Socket socket) {
  const Open* open = find(socket, "close");
  if (open == nullptr) return;
  if (open->receiving || open->sending || open->watching) {
    violate("a socket was closed under an operation");
  }
  network_.close(open->link, open->reset_on_close);
  socket_of_.erase(open->link.get());
  sockets_.erase(socket);
  // Numbers come back at once, as descriptors do.
  free_numbers_.push_back(static_cast<std::int32_t>(socket));
}

// --- What the kernel does when something changes ---

void SimRing::on_connection(std::shared_ptr<SimLink> link) {
  if (!listening_) {
    link->over = true;
    link->client->on_reset();
    return;
  }
  accept_queue_.push_back(std::move(link));
  try_accept();
}

void SimRing::try_accept() {
  while (accepting_ && !accept_queue_.empty()) {
    const ConnectionId id{*accepting_, 0};
    if (network_.chance(options_.accept_fails)) {
      accepting_.reset();
      return complete(listener, Operation::accept, id,
                      network_.chance(500) ? -EMFILE : -ECONNABORTED);
    }
    std::int32_t number = next_number_;
    if (free_numbers_.empty()) {
      ++next_number_;
    } else {
      number = free_numbers_.back();
      free_numbers_.pop_back();
    }
    const Socket socket{number};
    Open& open = sockets_[socket];
    open.number = socket;
    open.link = std::move(accept_queue_.front());
    accept_queue_.pop_front();
    socket_of_[open.link.get()] = socket;
    const bool more = options_.multishot && !network_.chance(options_.multishot_ends);
    if (!more) accepting_.reset();
    complete(listener, Operation::accept, id, number, more);
  }
}

void SimRing::on_change(SimLink& link) {
  const auto found = socket_of_.find(&link);
  if (found == socket_of_.end()) return;
  Open& open = sockets_.at(found->second);
  try_receive(open);
  try_send(open);
  try_hangup(open);
}

void SimRing::try_receive(Open& open) {
  while (open.receiving) {
    const ConnectionId id = *open.receiving;
    Completion completion{.operation = Operation::receive, .connection = id};
    if (!open.link->arrived.empty()) {
      if (free_.empty() || network_.chance(options_.no_buffer)) {
        completion.result = -ENOBUFS;
      } else {
        completion.buffer = static_cast<BufferId>(free_.front());
        completion.has_buffer = true;
        auto& buffer = buffers_[free_.front()];
        handed_out_[free_.front()] = true;
        free_.pop_front();
        std::span<std::byte> into(buffer);
        if (network_.chance(options_.short_receive)) {
          into = into.first(1 + network_.below(static_cast<std::uint32_t>(into.size())));
        }
        completion.bytes = into.first(network_.take_arrived(open.link, into));
        completion.result = static_cast<std::int32_t>(completion.bytes.size());
        completion.more = options_.multishot && !network_.chance(options_.multishot_ends);
      }
    } else if (open.link->error != 0) {
      completion.result = -open.link->error;
    } else if (!open.link->fin_arrived) {
      return;
    }
    if (!completion.more) open.receiving.reset();
    push(open.number, completion);
  }
}

void SimRing::try_send(Open& open) {
  if (!open.sending) return;
  const ConnectionId id = *open.sending;
  std::int32_t result = 0;
  if (open.link->error != 0) {
    result = network_.chance(500) ? -open.link->error : -EPIPE;
  } else {
    std::size_t size = open.to_send.size();
    if (network_.room(*open.link) == 0) return;
    if (network_.chance(options_.short_send)) {
      size = 1 + network_.below(static_cast<std::uint32_t>(size));
    }
    result = static_cast<std::int32_t>(network_.put_leaving(open.link, open.to_send.first(size)));
  }
  open.sending.reset();
  complete(open.number, Operation::send, id, result);
}

void SimRing::try_hangup(Open& open) {
  if (!open.watching || (!open.link->fin_arrived && open.link->error == 0)) return;
  const ConnectionId id = *open.watching;
  open.watching.reset();
  complete(open.number, Operation::hangup, id,
           open.link->error != 0 ? POLLRDHUP | POLLHUP | POLLERR : POLLRDHUP);
}

// --- Completions ---

void SimRing::complete(Socket socket, Operation operation, ConnectionId id, std::int32_t result,
                       bool more) {
  push(socket, {.operation = operation, .more = more, .connection = id, .result = result});
}

void SimRing::push(Socket socket, Completion completion) {
  if (!completion.more && lose_ == completion.operation) {
    lose_.reset();
    return;
  }
  auto& stream = late_[{socket, completion.operation}];
  TimePoint at = network_.now();
  if (network_.chance(options_.late_completion)) at += network_.delay();
  if (!stream.empty()) at = std::max(at, stream.back().at);
  stream.push_back({at, completion});
}

/// Moves what is due to the completion queue, in any order that keeps each stream's.
void SimRing::harvest() {
  std::vector<Stream> due;
  for (;;) {
    due.clear();
    for (const auto& [stream, completions] : late_) {
      if (completions.front().at <= network_.now()) due.push_back(stream);
    }
    if (due.empty()) return;
    const auto chosen = late_.find(due[network_.below(static_cast<std::uint32_t>(due.size()))]);
    ready_.push_back(chosen->second.front().completion);
    chosen->second.pop_front();
    if (chosen->second.empty()) late_.erase(chosen);
  }
}

/// As if all were due.
void SimRing::harvest_all() {
  for (const auto& [stream, completions] : late_) {
    for (const Late& late : completions) ready_.push_back(late.completion);
  }
  late_.clear();
}

std::optional<TimePoint> SimRing::next_moment() const {
  std::optional<TimePoint> next;
  if (const TimePoint* event = network_.next_event()) next = *event;
  for (const auto& [stream, completions] : late_) {
    if (!next || completions.front().at < *next) next = completions.front().at;
  }
  return next;
}

void SimRing::poll_waker() {
  if (!wake_fd_) return;
  std::uint64_t count = 0;
  iovec target{&count, sizeof count};
  if (::preadv2(*wake_fd_, &target, 1, -1, RWF_NOWAIT) <= 0) return;
  wake_fd_.reset();
  complete(Socket::none, Operation::wake, {}, sizeof count);
}

void SimRing::execute_submitted() {
  const auto submitted = std::exchange(submitted_, {});
  for (const auto& execute : submitted) execute();
}

void SimRing::submit_and_wait(std::uint32_t wait_count, WaitTime wait, engine::Counters&) {
  stalled_ = false;
  if (std::exchange(admits_losses_, false)) {
    lost_completions_ = true;
    return;
  }
  execute_submitted();
  // Work takes time: without it a busy loop would stand still in one moment.
  network_.advance_to(network_.now() + std::chrono::microseconds{1 + network_.below(20)});
  const TimePoint deadline =
      wait == engine::wait_forever ? TimePoint::max() : network_.now() + wait;
  for (;;) {
    while (network_.next_event() != nullptr && *network_.next_event() <= network_.now()) {
      network_.run_next_event();
    }
    poll_waker();
    harvest();
    if (ready_.size() >= wait_count) return;
    const auto next = next_moment();
    if (next && *next <= deadline) {
      network_.advance_to(*next);
    } else if (deadline != TimePoint::max()) {
      network_.advance_to(deadline);
      return;
    } else {
      stalled_ = true;
      return;
    }
  }
}

void SimRing::restart() {
  execute_submitted();
  for (auto& [number, open] : sockets_) {
    open.receiving.reset();
    open.sending.reset();
    open.watching.reset();
  }
  harvest_all();
  for (const Completion& completion : std::exchange(ready_, {})) {
    if (completion.operation == Operation::accept && completion.result >= 0) {
      close_socket(Socket{completion.result});
    }
  }
  free_.clear();
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    handed_out_[i] = false;
    free_.push_back(static_cast<std::uint16_t>(i));
  }
  accepting_.reset();
  wake_fd_.reset();
  in_flight_.clear();
  sent_.clear();
  lost_completions_ = false;
}

bool SimRing::next(Completion& completion) {
  if (ready_.empty()) return false;
  completion = ready_.front();
  ready_.pop_front();
  ++completion_count_;
  if (completion.operation == Operation::send) check_memory(completion);
  const bool of_connection = completion.operation != Operation::accept &&
                             completion.operation != Operation::wake &&
                             completion.operation != Operation::cancel_accept &&
                             completion.operation != Operation::cancel_wake;
  if (of_connection && !completion.more) {
    --in_flight_[completion.connection.slot][completion.connection.generation];
  }
  return true;
}

void SimRing::check_memory(const Completion& completion) {
  const auto found = sent_.find(completion.connection.packed());
  const auto& [bytes, copy] = found->second;
  if (!std::ranges::equal(bytes, copy)) {
    violate("bytes changed while being sent: " + describe(completion.connection));
  }
  sent_.erase(found);
}

void SimRing::recycle(BufferId buffer) {
  const auto index = static_cast<std::uint16_t>(buffer);
  if (!handed_out_.at(index)) return violate("a buffer was given back twice");
  handed_out_[index] = false;
  // Whoever kept a view of it reads garbage from now on.
  std::ranges::fill(buffers_[index], std::byte{0xdd});
  free_.push_back(index);
}

}  // namespace parsec::testing
