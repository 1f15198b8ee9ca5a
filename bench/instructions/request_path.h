// One shard's protocol without sockets, time or PostgreSQL: fixed requests in, replies out. What is
// counted (main.cpp) and timed (bench/micro/request_path_bench.cpp) goes through here.
//
// The database is answered by hand at once; making those rows is a part of what is measured.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tests/support/service_fixture.h"

namespace parsec::bench {

class RequestPath {
 public:
  RequestPath();

  /// From the bytes of the frame to those of the reply.
  void ping();         // of an administration connection: no database
  void told_ping();    // of a device: the database tells the organization
  void vlob_read();    // of 1 KiB
  void vlob_update();  // of 1 KiB
  /// A new connection, from the HTTP request to the result, and its end.
  void handshake();

  /// So many more connections that are told of every update of the realm.
  void subscribe(std::size_t count);
  /// One update of the realm reaches all of them, and each listens again.
  void fan_out();

 private:
  using Frame = std::vector<std::byte>;
  Frame frame_of(std::string_view cmd, std::uint32_t fields, const testing::WriteMap& write);
  /// Gives those bytes to that connection as if they had just come.
  void arrive(engine::ConnectionId id, const Frame& frame);
  /// Throws if the connection was told nothing; forgets what it was told.
  void expect_output(engine::ConnectionId id);

  testing::ServiceFixture shard_;
  engine::ConnectionId administration_;
  engine::ConnectionId alice_;
  std::vector<engine::ConnectionId> subscribers_;
  Frame ping_, read_, update_, listen_;
  std::string blob_;
  Frame arriving_;
};

}  // namespace parsec::bench
