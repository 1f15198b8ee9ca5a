// What an administrator may set about the protocol, in one place, with the defaults of the
// contract. Shared by all shards, constant once the server runs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "protocol/http/forwarded_proto.h"
#include "protocol/pages/health.h"
#include "protocol/types/address.h"

namespace parsec::protocol {

struct Settings {
  /// Empty: no administration connection is accepted.
  std::string administration_token;
  bool spontaneous_organization_bootstrap = false;
  /// Where clients find the deployment, for links; without it, nothing to redirect to.
  std::optional<BackendAddress> backend_address;
  /// What a proxy got over plain HTTP is led to https (not WebSockets); without it, all is served.
  std::optional<ForwardedProto> forwarded_proto;
  /// HTTP header `server`: with the version only under --debug (app/server.md §2).
  std::string server_name = "parsec";

  /// A request head must be complete within this time and size (protocol/1-transport.md §1.1).
  std::chrono::milliseconds head_timeout{10'000};
  std::size_t max_head_bytes = 16 * 1024;
  /// From the challenge to the result (protocol/2-handshake.md).
  std::chrono::milliseconds handshake_timeout{30'000};
  /// A client's answer to the challenge: strangers get no more memory than that, until
  /// handshake_timeout. Real ones have a few hundred bytes, or a long administration token.
  std::size_t max_handshake_bytes = 128 * 1024;
  /// An anonymous connection may ask nothing for so long. Clients connect when they have something
  /// to ask, but a human may have to type between two requests of a claim (API v1), as long as
  /// claim_timeout grants; who takes places meanwhile makes room for others (strangers.h).
  std::chrono::milliseconds anonymous_timeout{300'000};
  /// Strangers (strangers.h) of one shard, and those that share an address.
  std::size_t max_strangers = SIZE_MAX;
  std::size_t max_strangers_of_an_address = SIZE_MAX;
  /// While more output than this waits for a stranger, it is asked no more and Pings wait.
  std::size_t stranger_high_water = 16 * 1024;
  /// While more output than this waits for anybody, only the newest Ping is answered, when it is
  /// gone (RFC 6455 §5.5.3).
  std::size_t pong_high_water = 4 * 1024;
  /// A wrong administration token is answered after a pause that grows so with each one from the
  /// same address, up to the most.
  std::chrono::milliseconds wrong_token_pause{500};
  std::chrono::milliseconds most_wrong_token_pause{8'000};
  /// A whole WebSocket message, fragments together; beyond: Close 1009.
  std::size_t max_message_bytes = 16 * 1024 * 1024;
  /// Requests that wait behind the one under way; beyond, reading pauses until they are served.
  std::size_t max_waiting_bytes = 256 * 1024;
  std::size_t max_waiting_requests = 128;
  /// How long API v1 waits for the other side of an invitation (protocol/7-apiv1.md §7.3).
  std::chrono::milliseconds claim_timeout{300'000};
  /// What a claimer that is connected to another server has to leave before the invitation that its
  /// greeter says is FINISHED is deleted (protocol/5-invite.md §5.1).
  std::chrono::milliseconds finished_claimer_time{1'000};
  /// While more reply bytes than this wait for a client, its next request waits too. Must equal
  /// engine::Limits::output_high_water.
  std::size_t output_high_water = 256 * 1024;
  /// Messages and re-encryption batches have no end of their own: a reply has as many as fit in
  /// here, and the next one those after them.
  std::size_t max_list_bytes = 16 * 1024 * 1024;
  /// What any other reply is written from, as large as the database gives it: beyond, Close 1011.
  /// Leaves room for the rest of an engine::OutputBuffer of 4 GiB at most, which grows by doubling.
  std::size_t max_result_bytes = 1024 * 1024 * 1024;
  /// A message that was begun gets so many bytes more within each such time, or its connection
  /// ends.
  std::chrono::milliseconds message_progress_time{30'000};
  std::size_t message_progress_bytes = 64 * 1024;
  /// When memory is short (engine/host/memory_budget.h), longer beginnings of messages are read on
  /// only when there is more again, and whoever holds less is never ended for it.
  std::size_t memory_free_bytes = 64 * 1024;
  std::size_t least_held_bytes = 256 * 1024;
  std::chrono::milliseconds memory_check_interval{20};
  /// When somebody waits for memory so long, or it is used up so long, then whoever holds the most
  /// goes although some is left, or although it is no more than this.
  std::chrono::milliseconds memory_patience{3'000};
  std::size_t least_held_bytes_of_many = 4 * 1024;
  /// Strangers together (strangers.h) hold a part of it only: the rest is left to members.
  std::size_t strangers_part_of_memory = 8;
  /// Rows of a reply that are written in one go, some 100 µs; then others get their turn.
  int rows_of_a_slice = 1024;
  std::size_t bytes_of_a_slice = 1024 * 1024;
  /// Events that wait for events_listen; beyond, the connection is closed so that none is lost
  /// silently (protocol/6-events.md §6.1).
  std::size_t max_waiting_events = 1024;
  /// A request that takes as long is told to the log; zero: none.
  std::chrono::milliseconds slow_request{0};
  /// What `/health` and `/ready` answer; null: they are not there.
  const Health* health = nullptr;
};

/// Versions that the challenge announces, newest first (protocol/2-handshake.md).
struct ApiVersion {
  std::int64_t version;
  std::int64_t revision;
};
inline constexpr ApiVersion supported_api_versions[] = {{2, 0}, {1, 2}};

}  // namespace parsec::protocol
