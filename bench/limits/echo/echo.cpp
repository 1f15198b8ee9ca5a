#include "bench/limits/echo/echo.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "protocol/websocket/websocket.h"

namespace parsec::bench {

namespace {

constexpr std::uint32_t buffer_count = 1024;
constexpr std::uint32_t buffer_size = 16 * 1024;
constexpr std::uint32_t completions_at_once = 512;
constexpr int buffer_group = 0;

void check(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
}

std::uint8_t byte_at(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes[at]);
}

void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

Echo::Echo(int listener) : listener_(listener) {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                     IORING_SETUP_DEFER_TASKRUN;
  parameters.cq_entries = 16384;
  check(::io_uring_queue_init_params(4096, &ring_, &parameters), "io_uring");
  void* memory = nullptr;
  if (::posix_memalign(&memory, 4096, buffer_count * sizeof(io_uring_buf)) != 0) {
    throw std::bad_alloc();
  }
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  buffers_.resize(std::size_t{buffer_count} * buffer_size);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring_);
  registration.ring_entries = buffer_count;
  registration.bgid = buffer_group;
  check(::io_uring_register_buf_ring(&ring_, &registration, 0), "provided buffers");
  ::io_uring_buf_ring_init(buffer_ring_);
  for (std::uint32_t i = 0; i < buffer_count; ++i) recycle(i);
}

Echo::~Echo() {
  ::io_uring_queue_exit(&ring_);
  std::free(buffer_ring_);
}

void Echo::run() {
  accept();
  // As the shard does: a busy loop asks for many completions at once, without waiting for them.
  std::uint32_t wanted = 1;
  for (;;) {
    io_uring_cqe* first = nullptr;
    __kernel_timespec at_once{};
    const int result = ::io_uring_submit_and_wait_timeout(&ring_, &first, wanted,
                                                          wanted > 1 ? &at_once : nullptr, nullptr);
    if (result < 0 && result != -ETIME && result != -EINTR) check(result, "io_uring_enter");
    std::uint32_t count = 0;
    unsigned head = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      on_completion(*completion);
      ++count;
    }
    ::io_uring_cq_advance(&ring_, count);
    for (const int socket : touched_) send(socket);
    touched_.clear();
    wanted = count < 16 ? 1 : std::min(2 * count, completions_at_once);
  }
}

// --- Operations

io_uring_sqe* Echo::entry() {
  io_uring_sqe* free = ::io_uring_get_sqe(&ring_);
  if (free == nullptr) {
    ::io_uring_submit(&ring_);
    free = ::io_uring_get_sqe(&ring_);
    if (free == nullptr) throw std::runtime_error("the submission queue stays full");
  }
  return free;
}

/// After the prep function, as some versions of liburing clear it there.
void Echo::label(io_uring_sqe* sqe, Operation operation, int socket) {
  sqe->user_data =
      std::uint64_t{static_cast<std::uint32_t>(socket)} << 8 | static_cast<std::uint8_t>(operation);
}

void Echo::accept() {
  auto* sqe = entry();
  ::io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
  label(sqe, Operation::accept, listener_);
}

void Echo::receive(int socket) {
  auto* sqe = entry();
  ::io_uring_prep_recv_multishot(sqe, socket, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = buffer_group;
  label(sqe, Operation::receive, socket);
  connections_[static_cast<std::size_t>(socket)]->receiving = true;
}

void Echo::send(int socket) {
  Connection& connection = *connections_[static_cast<std::size_t>(socket)];
  if (!connection.open || connection.sending_now) return;
  if (connection.sent == connection.sending.size()) {
    connection.sending.clear();
    connection.sent = 0;
    std::swap(connection.sending, connection.gathering);
  }
  if (connection.sending.empty()) return;
  const auto rest = std::span{connection.sending}.subspan(connection.sent);
  auto* sqe = entry();
  ::io_uring_prep_send(sqe, socket, rest.data(), rest.size(), MSG_NOSIGNAL);
  label(sqe, Operation::send, socket);
  connection.sending_now = true;
}

void Echo::recycle(std::uint32_t buffer) {
  ::io_uring_buf_ring_add(buffer_ring_, buffers_.data() + std::size_t{buffer} * buffer_size,
                          buffer_size, static_cast<std::uint16_t>(buffer),
                          ::io_uring_buf_ring_mask(buffer_count), 0);
  ::io_uring_buf_ring_advance(buffer_ring_, 1);
}

// --- Completions

void Echo::on_completion(const io_uring_cqe& completion) {
  const auto socket = static_cast<int>(completion.user_data >> 8);
  switch (static_cast<Operation>(completion.user_data & 0xff)) {
    case Operation::accept:
      return on_accepted(completion);
    case Operation::receive:
      return on_received(socket, completion);
    case Operation::send:
      return on_sent(socket, completion.res);
  }
}

void Echo::on_accepted(const io_uring_cqe& completion) {
  if (completion.res >= 0) {
    const auto index = static_cast<std::size_t>(completion.res);
    if (index >= connections_.size()) connections_.resize(index + 1);
    connections_[index] = std::make_unique<Connection>();
    connections_[index]->open = true;
    receive(completion.res);
  } else if (completion.res != -ECONNABORTED) {
    check(completion.res, "accept");
  }
  if ((completion.flags & IORING_CQE_F_MORE) == 0) accept();
}

void Echo::on_received(int socket, const io_uring_cqe& completion) {
  Connection& connection = *connections_[static_cast<std::size_t>(socket)];
  if ((completion.flags & IORING_CQE_F_MORE) == 0) connection.receiving = false;
  if (completion.res > 0) {
    const std::uint32_t buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    const auto size = static_cast<std::size_t>(completion.res);
    const std::span bytes{buffers_.data() + std::size_t{buffer} * buffer_size, size};
    if (connection.partial.empty()) {
      append(connection.partial, bytes.subspan(serve(connection, bytes)));
    } else {
      append(connection.partial, bytes);
      const auto served = static_cast<std::ptrdiff_t>(serve(connection, connection.partial));
      connection.partial.erase(connection.partial.begin(), connection.partial.begin() + served);
    }
    recycle(buffer);
    touched_.push_back(socket);
  } else if (completion.res != -ENOBUFS) {
    connection.open = false;
  }
  if (!connection.open) return end(socket);
  if (!connection.receiving) receive(socket);
}

void Echo::on_sent(int socket, int result) {
  Connection& connection = *connections_[static_cast<std::size_t>(socket)];
  connection.sending_now = false;
  if (result < 0) connection.open = false;
  if (!connection.open) return end(socket);
  connection.sent += static_cast<std::size_t>(result);
  if (connection.sent < connection.sending.size() || !connection.gathering.empty()) {
    touched_.push_back(socket);
  }
}

void Echo::end(int socket) {
  const auto index = static_cast<std::size_t>(socket);
  ::shutdown(socket, SHUT_RDWR);
  if (connections_[index]->receiving || connections_[index]->sending_now) return;
  std::erase(touched_, socket);
  connections_[index].reset();
  ::close(socket);
}

// --- WebSocket

std::size_t Echo::serve(Connection& connection, std::span<std::byte> bytes) {
  if (connection.upgraded) return serve_frames(connection, bytes);
  const std::size_t head = serve_opening(connection, bytes);
  return head == 0 ? 0 : head + serve_frames(connection, bytes.subspan(head));
}

std::size_t Echo::serve_opening(Connection& connection, std::span<std::byte> bytes) {
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  std::string head{text.substr(0, end + 2)};
  std::ranges::transform(head, head.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
  });
  constexpr std::string_view name = "\r\nsec-websocket-key:";
  const auto found = head.find(name);
  if (found == std::string::npos) {
    connection.open = false;
    return bytes.size();
  }
  // The value with its own case.
  auto key = text.substr(found + name.size(), head.find("\r\n", found + 2) - found - name.size());
  while (key.starts_with(' ')) key.remove_prefix(1);
  while (key.ends_with(' ')) key.remove_suffix(1);
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      websocket::accept_key(key) + "\r\n\r\n";
  append(connection.gathering, std::as_bytes(std::span{answer}));
  connection.upgraded = true;
  return end + 4;
}

std::size_t Echo::serve_frames(Connection& connection, std::span<std::byte> bytes) {
  constexpr std::size_t mask_size = 4;
  std::size_t served = 0;
  while (bytes.size() - served >= 2) {
    const auto frame = bytes.subspan(served);
    const std::uint8_t short_size = byte_at(frame, 1) & 0x7f;
    const std::size_t extended = short_size == 127 ? 8 : short_size == 126 ? 2 : 0;
    const std::size_t head_size = 2 + extended;  // of ours: the same without the mask
    if (frame.size() < head_size + mask_size) break;
    std::uint64_t size = extended == 0 ? short_size : 0;
    for (std::size_t i = 0; i < extended; ++i) size = size << 8 | byte_at(frame, 2 + i);
    const bool is_close = (byte_at(frame, 0) & 0x0f) == 8;
    if ((byte_at(frame, 1) & 0x80) == 0 || is_close) {
      connection.open = false;
      return bytes.size();
    }
    if (frame.size() - head_size - mask_size < size) break;
    std::array<std::byte, mask_size> mask;
    std::memcpy(mask.data(), frame.data() + head_size, mask_size);
    const auto payload = frame.subspan(head_size + mask_size, static_cast<std::size_t>(size));
    websocket::unmask(payload, mask, 0);
    frame[1] &= std::byte{0x7f};
    append(connection.gathering, frame.first(head_size));
    append(connection.gathering, payload);
    served += head_size + mask_size + payload.size();
  }
  return served;
}

}  // namespace parsec::bench
