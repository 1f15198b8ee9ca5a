#include "tests/support/sim_network.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace parsec::testing {

using engine::TimePoint;

// --- The client's end ---

void SimClient::send(std::span<const std::byte> bytes) {
  const auto link = link_.lock();
  if (!link || link->over || link->client_finished) return;
  link->outgoing.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  network_->pump(link);
}

void SimClient::finish() {
  const auto link = link_.lock();
  if (!link || link->over) return;
  link->client_finished = true;
  network_->pump(link);
}

void SimClient::reset() {
  const auto link = link_.lock();
  if (!link || link->over) return;
  network_->break_by_peer(link, ECONNRESET);
}

void SimClient::vanish() {
  const auto link = link_.lock();
  if (!link || link->over) return;
  link->vanished = true;
  network_->schedule(network_->options_.peer_timeout, [network = network_, link] {
    if (!link->over) network->break_by_peer(link, ETIMEDOUT);
  });
}

void SimClient::set_reading(bool reading) {
  const auto link = link_.lock();
  if (!link || link->over) return;
  link->client_reads = reading;
  network_->pump(link);
}

void SimClient::after(std::chrono::microseconds delay, std::function<void()> action) {
  network_->schedule(delay, [weak = link_, action = std::move(action)] {
    const auto link = weak.lock();
    if (link && !link->over) action();
  });
}

// --- Time ---

std::chrono::nanoseconds SimNetwork::delay() {
  // Mostly short, sometimes long.
  const auto longest = static_cast<std::uint32_t>(options_.longest_delay.count());
  return std::chrono::microseconds{below(chance(100) ? longest + 1 : longest / 20 + 1)};
}

void SimNetwork::schedule(std::chrono::nanoseconds delay, std::function<void()> event) {
  events_.push({now_ + delay, random_(), std::move(event)});
}

const TimePoint* SimNetwork::next_event() const {
  return events_.empty() ? nullptr : &events_.top().at;
}

void SimNetwork::run_next_event() {
  Event event = events_.top();
  events_.pop();
  now_ = std::max(now_, event.at);
  event.run();
}

void SimNetwork::advance_to(TimePoint time) { now_ = std::max(now_, time); }

// --- Bytes on their way ---

void SimNetwork::connect(std::shared_ptr<SimClient> client, std::chrono::nanoseconds delay) {
  schedule(delay, [this, client = std::move(client)] {
    auto link = std::make_shared<SimLink>();
    link->client = client;
    client->network_ = this;
    client->link_ = link;
    on_connection(link);
    client->on_connected();
  });
}

std::size_t SimNetwork::room(const SimLink& link) const {
  return options_.socket_buffer -
         std::min<std::size_t>(options_.socket_buffer, link.leaving.size());
}

void SimNetwork::pump(const std::shared_ptr<SimLink>& link) {
  if (link->over || link->vanished) return;
  const bool fin_to_send = link->client_finished && !link->fin_arrived;
  if ((!link->outgoing.empty() || fin_to_send) && !link->moving_to_server) {
    if (link->outgoing.empty() || link->arrived.size() < options_.socket_buffer) {
      link->moving_to_server = true;
      schedule(delay(), [this, link] {
        link->moving_to_server = false;
        move_to_server(link);
      });
    }
  }
  const bool end_to_tell = link->server_finished && !link->end_delivered;
  if ((!link->leaving.empty() || end_to_tell) && link->client_reads && !link->moving_to_client) {
    link->moving_to_client = true;
    schedule(delay(), [this, link] {
      link->moving_to_client = false;
      move_to_client(link);
    });
  }
}

void SimNetwork::move_to_server(const std::shared_ptr<SimLink>& link) {
  if (link->over || link->vanished || link->error != 0) return;
  if (link->closed_by_server) {
    // TCP answers bytes to a closed socket with RST, which may overtake what was sent before.
    if (!link->outgoing.empty()) {
      link->over = true;
      link->client->on_reset();
    }
    return;
  }
  const std::size_t room =
      options_.socket_buffer - std::min<std::size_t>(options_.socket_buffer, link->arrived.size());
  const std::size_t most = std::min(link->outgoing.size(), room);
  if (most > 0) {
    const std::size_t count = 1 + below(static_cast<std::uint32_t>(most));
    link->arrived.append(link->outgoing, 0, count);
    link->outgoing.erase(0, count);
  } else if (link->outgoing.empty() && link->client_finished) {
    link->fin_arrived = true;
  }
  on_change(*link);
  pump(link);
}

void SimNetwork::move_to_client(const std::shared_ptr<SimLink>& link) {
  if (link->over || link->vanished || !link->client_reads) return;
  if (!link->leaving.empty()) {
    const std::size_t count = 1 + below(static_cast<std::uint32_t>(link->leaving.size()));
    const std::string piece = link->leaving.substr(0, count);
    link->leaving.erase(0, count);
    link->client->on_bytes(std::as_bytes(std::span{piece}));
  } else if (link->server_finished && !link->end_delivered) {
    link->end_delivered = true;
    link->client->on_end();
    if (link->closed_by_server) link->over = true;
  }
  if (!link->closed_by_server) on_change(*link);
  pump(link);
}

void SimNetwork::break_by_peer(const std::shared_ptr<SimLink>& link, int error) {
  link->over = true;
  link->outgoing.clear();
  link->leaving.clear();
  // It needs its time to get there, too.
  schedule(delay(), [this, link, error] {
    link->error = error;
    if (!link->closed_by_server) on_change(*link);
  });
}

// --- The server's kernel ---

std::size_t SimNetwork::take_arrived(const std::shared_ptr<SimLink>& link,
                                     std::span<std::byte> into) {
  const std::size_t count = std::min(into.size(), link->arrived.size());
  std::memcpy(into.data(), link->arrived.data(), count);
  link->arrived.erase(0, count);
  pump(link);
  return count;
}

std::size_t SimNetwork::put_leaving(const std::shared_ptr<SimLink>& link,
                                    std::span<const std::byte> from) {
  const std::size_t count = std::min(from.size(), room(*link));
  link->leaving.append(reinterpret_cast<const char*>(from.data()), count);
  pump(link);
  return count;
}

void SimNetwork::shut_down_write(const std::shared_ptr<SimLink>& link) {
  link->server_finished = true;
  pump(link);
}

void SimNetwork::close(const std::shared_ptr<SimLink>& link, bool reset) {
  link->closed_by_server = true;
  if (link->over) return;
  // Closing with unread bytes sends RST instead of FIN (RFC 2525, 2.17).
  if (reset || !link->arrived.empty()) {
    link->leaving.clear();
    schedule(delay(), [link] {
      if (!std::exchange(link->over, true)) link->client->on_reset();
    });
    return;
  }
  link->server_finished = true;
  if (link->end_delivered && link->outgoing.empty()) {
    link->over = true;
  } else {
    pump(link);
  }
}

}  // namespace parsec::testing
