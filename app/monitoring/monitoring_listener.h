// The listener of --metrics-listen: plain HTTP, `GET /metrics`, `/health`, `/ready`, one request
// for each connection. A thread of its own, so that it answers when shards hang, before the server
// is up and while it stops.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/monitoring/monitor.h"
#include "engine/output_buffer.h"
#include "engine/shard/listener.h"
#include "protocol/http/http_request.h"

namespace parsec::app {

class MonitoringListener {
 public:
  /// sockets: bound, for one taker. token: what `/metrics` asks for; empty: nothing. The monitor
  /// outlives it.
  static std::expected<std::unique_ptr<MonitoringListener>, std::string> start(
      engine::ListeningSockets sockets, const Monitor& monitor, std::string token);
  ~MonitoringListener();
  MonitoringListener(const MonitoringListener&) = delete;
  MonitoringListener& operator=(const MonitoringListener&) = delete;

 private:
  struct Connection;

  MonitoringListener(std::vector<int> listening, const Monitor& monitor, std::string token);
  void run();
  void accept_from(int listening);
  /// False: it is over.
  bool read(Connection& connection) const;
  static bool write(Connection& connection);
  void answer(engine::OutputBuffer& out, std::string_view head) const;
  void answer_metrics(engine::OutputBuffer& out, const http::Request& request) const;

  const Monitor& monitor_;
  const std::string token_;
  const std::vector<int> listening_;
  int over_ = -1;  // eventfd
  std::vector<std::unique_ptr<Connection>> connections_;
  std::thread thread_;
};

}  // namespace parsec::app
