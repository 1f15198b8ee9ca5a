#include "engine/tls/tls_layer.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/host/log.h"

namespace parsec::engine {
namespace {

/// One takes up to a millisecond (an RSA signature), for which the other connections of the shard
/// wait; a turn between two of them costs a hundredth of it.
constexpr std::uint32_t handshakes_per_turn = 1;
constexpr std::size_t largest_record = 16 * 1024;  // of plain bytes, RFC 8446 §5.1
/// What encryption adds to a record at most, with room to spare.
constexpr std::size_t record_overhead = 64;
/// Answers that TLS itself gives to records (KeyUpdate, RFC 8446 §4.6.3; alerts) and that a peer
/// may leave unread: some hundred of them. No client asks for so many.
constexpr std::size_t most_unread_answers = 16 * 1024;
/// Output buffers are empty again when a callback ends, so few are in use at a time.
constexpr std::size_t spare_buffers = 16;

/// The window ends above output_high_water, so that the shard tells when it has drained, and by
/// one record at most; output_limit must not be reached by that.
std::size_t record_size_for(const Limits& limits) {
  const std::size_t room = limits.output_limit - limits.output_high_water;
  return std::clamp(room / 2, record_overhead + 1, record_overhead + largest_record) -
         record_overhead;
}

}  // namespace

struct TlsLayer::Connection {
  Connection(TlsPointer tls, Transport& below, ConnectionId connection)
      : id(connection), session(std::move(tls), below, connection) {}

  const ConnectionId id;
  TlsSession session;

  // The handler appends to one buffer while the other is being encrypted.
  OutputBuffer gathering;
  OutputBuffer sending;
  std::size_t sent = 0;
  /// Size of `gathering` when it exceeded the high water, 0 before; see Limits::output_limit.
  std::size_t gathered_at_high_water = 0;
  /// Records that came while the handler did not read, or that wait for the handshake's turn.
  OutputBuffer held;

  /// Bytes that TLS itself answered to records since all output had left.
  std::size_t unread_answers = 0;

  /// What the handler is told in place of the shard's reason.
  std::optional<CloseReason> reason;

  TimePoint opened{};
  bool established = false;
  bool over = false;            // closed by the handler or by us: on_closed is all that follows
  bool paused = false;          // by the handler
  bool waits_for_turn = false;  // in handshakes_
  bool is_resumed = false;
  bool is_dirty = false;
  bool is_drained = false;
  /// The handler may have seen more than output_high_water, and counts on on_drained.
  bool owes_drained = false;
  /// The handler asked for it; counts when what is below has drained.
  bool wants_drained = false;

  std::size_t plain_output() const { return sending.size() - sent + gathering.size(); }
};

TlsLayer::TlsLayer(Transport& below, const TlsContext& context, const Limits& limits,
                   std::uint32_t shard, const MakeHandler& make_handler)
    : below_(below),
      context_(context),
      limits_(limits),
      record_size_(record_size_for(limits)),
      shard_(shard),
      plain_(std::make_unique<std::byte[]>(largest_record)),
      handler_(make_handler(*this)) {}

TlsLayer::~TlsLayer() = default;

TlsLayer::Connection* TlsLayer::find(ConnectionId id) const {
  if (id.slot >= connections_.size()) return nullptr;
  Connection* connection = connections_[id.slot].get();
  return connection != nullptr && connection->id == id ? connection : nullptr;
}

TlsLayer::Connection& TlsLayer::add(ConnectionId id) {
  TlsPointer tls = context_.new_connection();
  if (!tls) throw std::bad_alloc();
  if (id.slot >= connections_.size()) connections_.resize(id.slot + 1);
  connections_[id.slot] = std::make_unique<Connection>(std::move(tls), below_, id);
  connections_[id.slot]->opened = now();
  return *connections_[id.slot];
}

// --- What the shard tells ---

void TlsLayer::on_open(ConnectionId id, std::string_view peer_address) {
  add(id);
  handler_->on_open(id, peer_address);
  encrypt_dirty();
}

void TlsLayer::on_data(ConnectionId id, std::span<std::byte> bytes) {
  Connection& connection = *find(id);
  if (!connection.established || connection.paused || !connection.held.empty()) {
    connection.held.append(bytes);
    if (!connection.established && !connection.waits_for_turn) {
      connection.waits_for_turn = true;
      handshakes_.push_back(id);
      update_reading(connection);
    }
    return;
  }
  deliver(connection, bytes);
  encrypt_dirty();
}

void TlsLayer::on_drained(ConnectionId id) {
  Connection& connection = *find(id);
  connection.owes_drained |= std::exchange(connection.wants_drained, false);
  encrypt(connection, Share::window);
  deliver_drained();
  encrypt_dirty();
}

void TlsLayer::on_deadline(ConnectionId id) {
  handler_->on_deadline(id);
  encrypt_dirty();
}

void TlsLayer::on_closed(ConnectionId id, CloseReason reason) {
  const std::unique_ptr<Connection> connection = std::move(connections_[id.slot]);
  if (counts_ != nullptr && !connection->established && !connection->over) counts_->aborted.add();
  handler_->on_closed(id, connection->reason.value_or(reason));
  encrypt_dirty();
}

/// Everything that brings bytes comes before the handler's own turn, as it does in the shard's.
bool TlsLayer::on_turn() {
  serve_handshakes();
  deliver_held();
  deliver_drained();
  const bool more = handler_->on_turn();
  encrypt_dirty();
  return more || has_lists();
}

bool TlsLayer::has_work() const { return has_lists() || handler_->has_work(); }

bool TlsLayer::has_lists() const {
  return !handshakes_.empty() || !resumed_.empty() || !drained_.empty();
}

void TlsLayer::on_shutdown() {
  handler_->on_shutdown();
  encrypt_dirty();
}

// --- What the handler asks for ---

void TlsLayer::adopt(ConnectionId id) {
  Connection& connection = add(id);
  // Nothing of the peer's is there yet: what is written is the ClientHello.
  if (connection.session.handshake() != TlsSession::Status::wants_input) fail(connection);
}

OutputBuffer& TlsLayer::output(ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr || connection->over) return below_.output(id);  // which discards
  if (connection->gathering.capacity() == 0 && !spare_.empty()) {
    connection->gathering = std::move(spare_.back());
    spare_.pop_back();
  }
  mark_dirty(*connection);
  return connection->gathering;
}

bool TlsLayer::is_open(ConnectionId id) const {
  const Connection* connection = find(id);
  return connection != nullptr && !connection->over && below_.is_open(id);
}

std::size_t TlsLayer::pending_output(ConnectionId id) const {
  Connection* connection = find(id);
  if (connection == nullptr) return 0;
  const std::size_t pending = connection->plain_output() + below_.pending_output(id);
  if (pending > limits_.output_high_water) connection->owes_drained = true;
  return pending;
}

std::size_t TlsLayer::held_output(ConnectionId id) const {
  const Connection* connection = find(id);
  if (connection == nullptr) return 0;
  return connection->sending.size() + connection->gathering.size() + below_.held_output(id);
}

void TlsLayer::call_when_drained(ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr || connection->over) return;
  connection->wants_drained = true;
  below_.call_when_drained(id);
}

void TlsLayer::close(ConnectionId id, CloseMode mode) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  if (mode == CloseMode::abort) {
    connection->over = true;
    below_.close(id, CloseMode::abort);
  } else if (!connection->over) {
    end(*connection, CloseReason::by_handler);
  }
}

void TlsLayer::set_deadline(ConnectionId id, Duration after) { below_.set_deadline(id, after); }
void TlsLayer::clear_deadline(ConnectionId id) { below_.clear_deadline(id); }

void TlsLayer::pause_reading(ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  connection->paused = true;
  update_reading(*connection);
}

void TlsLayer::resume_reading(ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr || !connection->paused) return;
  connection->paused = false;
  update_reading(*connection);
  if (connection->established && !connection->held.empty() && !connection->is_resumed) {
    connection->is_resumed = true;
    resumed_.push_back(id);
  }
}

/// A peer whose handshake waits for its turn must not fill the memory meanwhile.
void TlsLayer::update_reading(const Connection& connection) {
  if (connection.paused || connection.waits_for_turn) {
    below_.pause_reading(connection.id);
  } else {
    below_.resume_reading(connection.id);
  }
}

// --- Input ---

void TlsLayer::serve_handshakes() {
  if (handshakes_.empty()) return;
  std::size_t taken = 0;
  for (std::uint32_t served = 0; served < handshakes_per_turn && taken < handshakes_.size();
       ++taken) {
    Connection* connection = find(handshakes_[taken]);
    if (connection == nullptr) continue;
    connection->waits_for_turn = false;
    if (connection->over) continue;
    update_reading(*connection);
    shake_hands(*connection);
    ++served;
  }
  handshakes_.erase(handshakes_.begin(), handshakes_.begin() + static_cast<std::ptrdiff_t>(taken));
  encrypt_dirty();
}

void TlsLayer::shake_hands(Connection& connection) {
  OutputBuffer records = std::move(connection.held);
  connection.session.lend_input({records.data(), records.size()});
  switch (connection.session.handshake()) {
    case TlsSession::Status::done:
      connection.established = true;
      if (counts_ != nullptr) {
        counts_->ok.add();
        counts_->duration.record(now() - connection.opened);
      }
      mark_dirty(connection);
      deliver(connection, connection.session.input());
      break;
    case TlsSession::Status::wants_input:
      break;
    default:
      fail(connection);
  }
  connection.session.lend_input({});
}

void TlsLayer::deliver_held() {
  for (const ConnectionId id : std::exchange(resumed_, {})) {
    Connection* connection = find(id);
    if (connection == nullptr) continue;
    connection->is_resumed = false;
    if (connection->over || connection->paused) continue;
    OutputBuffer records = std::move(connection->held);
    deliver(*connection, {records.data(), records.size()});
  }
  encrypt_dirty();
}

/// Hands on what the records hold, and keeps those that the handler does not want yet.
void TlsLayer::deliver(Connection& connection, std::span<std::byte> records) {
  connection.session.lend_input(records);
  read_records(connection);
  if (!connection.over) connection.held.append(connection.session.input());
  connection.session.lend_input({});
  // A peer's record may have been what encryption waited for (a split KeyUpdate).
  if (connection.plain_output() > 0) mark_dirty(connection);
}

void TlsLayer::read_records(Connection& connection) {
  while (!connection.over && !connection.paused) {
    std::size_t count = 0;
    const std::size_t before = below_.pending_output(connection.id);
    const auto status = connection.session.read({plain_.get(), largest_record}, count);
    if (before == 0) connection.unread_answers = 0;
    connection.unread_answers += below_.pending_output(connection.id) - before;
    if (connection.unread_answers > most_unread_answers) return leave_unread(connection);
    switch (status) {
      case TlsSession::Status::done:
        handler_->on_data(connection.id, {plain_.get(), count});
        break;
      case TlsSession::Status::wants_input:
        return;
      case TlsSession::Status::ended:
        return end(connection, CloseReason::peer_closed);
      case TlsSession::Status::failed:
        return fail(connection);
    }
  }
}

// --- Output ---

void TlsLayer::encrypt_dirty() {
  // Encrypting calls nobody back, so the list does not grow meanwhile.
  for (const ConnectionId id : dirty_) {
    Connection* connection = find(id);
    if (connection == nullptr) continue;
    connection->is_dirty = false;
    encrypt(*connection, Share::window);
  }
  dirty_.clear();
}

void TlsLayer::encrypt(Connection& connection, Share share) {
  if (connection.over) return;
  // What the handler saw may have left by the time it waits for the end of it.
  if (pending_output(connection.id) > limits_.output_high_water) connection.owes_drained = true;
  bool blocked = !connection.established;
  while (!blocked && connection.plain_output() > 0) {
    if (connection.sent == connection.sending.size()) {
      give_back(connection.sending);
      connection.sent = 0;
      std::swap(connection.sending, connection.gathering);
      connection.gathered_at_high_water = 0;
    }
    if (share == Share::window &&
        below_.pending_output(connection.id) > limits_.output_high_water) {
      break;
    }
    const auto rest = connection.sending.bytes().subspan(connection.sent);
    const auto record = rest.first(std::min(rest.size(), record_size_));
    switch (connection.session.write(record)) {
      case TlsSession::Status::done:
        connection.sent += record.size();
        break;
      case TlsSession::Status::wants_input:
        blocked = true;
        break;
      default:
        return fail(connection);
    }
  }
  if (connection.plain_output() == 0) {
    give_back(connection.sending);
    give_back(connection.gathering);
    connection.sent = 0;
    // At most a window waits below, whatever the handler appended: it may go on.
    if (connection.owes_drained && !connection.is_drained) {
      connection.is_drained = true;
      drained_.push_back(connection.id);
    }
  } else if (exceeds_output_limit(connection)) {
    leave_unread(connection);
  }
}

void TlsLayer::leave_unread(Connection& connection) {
  connection.reason = CloseReason::output_limit;
  connection.over = true;
  below_.close(connection.id, CloseMode::abort);
}

/// As the shard counts it (ShardCore), of what it has not seen yet.
bool TlsLayer::exceeds_output_limit(Connection& connection) const {
  const std::size_t size = connection.gathering.size();
  std::size_t& before = connection.gathered_at_high_water;
  if (before == 0 && size > limits_.output_high_water) before = size;
  return before != 0 && size - before > limits_.output_limit;
}

void TlsLayer::deliver_drained() {
  for (const ConnectionId id : std::exchange(drained_, {})) {
    Connection* connection = find(id);
    if (connection == nullptr) continue;
    connection->is_drained = false;
    if (connection->over) continue;
    // The records that wait below are still more than the handler wants to see.
    if (pending_output(id) > limits_.output_high_water) continue;
    connection->owes_drained = false;
    handler_->on_drained(id);
  }
}

void TlsLayer::mark_dirty(Connection& connection) {
  if (connection.is_dirty) return;
  connection.is_dirty = true;
  dirty_.push_back(connection.id);
}

void TlsLayer::give_back(OutputBuffer& buffer) {
  if (buffer.capacity() == 0) return;
  if (buffer.capacity() > limits_.spare_buffer_size || spare_.size() >= spare_buffers) {
    return buffer.release();
  }
  buffer.clear();
  spare_.emplace_back(std::move(buffer));
}

// --- Ends ---

/// In order: everything that was appended, close_notify, FIN. All of it is encrypted at once: the
/// shard knows how to see off a peer that reads slowly, or not at all.
void TlsLayer::end(Connection& connection, CloseReason reason) {
  encrypt(connection, Share::everything);
  if (connection.over) return;
  connection.over = true;
  if (reason != CloseReason::by_handler) connection.reason = reason;
  if (connection.established) connection.session.say_close();
  below_.close(connection.id, CloseMode::after_flush);
}

/// The alert, if there is one, is in the output already.
void TlsLayer::fail(Connection& connection) {
  if (connection.over) return;
  connection.over = true;
  if (counts_ != nullptr && !connection.established) counts_->failed.add();
  log::info("Connection dropped: TLS failed", "connection {}: TLS {} failed: {}",
            log::connection(shard_, connection.id),
            log::field("part", connection.established ? "record" : "handshake"),
            log::field("reason", connection.session.failure()));
  below_.close(connection.id, CloseMode::after_flush);
}

}  // namespace parsec::engine
