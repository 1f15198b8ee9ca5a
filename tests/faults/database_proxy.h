// The network between a server and PostgreSQL, in the hands of a test: a TCP port that stands for
// PostgreSQL's unix socket, and whose connections stall or break when the test says so.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace parsec::testing {

class DatabaseProxy {
 public:
  enum class Mode : std::uint8_t {
    forward,
    one_way,  // what the server sends arrives, what PostgreSQL answers waits
    stall,    // nothing arrives; new connections are taken and get no answer
    refuse,   // new connections are reset
  };

  /// socket: the path of PostgreSQL's.
  explicit DatabaseProxy(std::string socket);
  ~DatabaseProxy();
  DatabaseProxy(const DatabaseProxy&) = delete;
  DatabaseProxy& operator=(const DatabaseProxy&) = delete;

  std::uint16_t port() const { return port_; }

  // Each returns when it holds.
  void set(Mode mode) { command(mode, false); }
  /// Resets every connection, both ways.
  void cut(Mode mode) { command(mode, true); }

 private:
  struct Link;

  void command(Mode mode, bool cut);
  void run();
  void apply_command();
  void accept_one();
  void connect(Link& link);
  static bool move(int from, int to, std::string& buffer, bool read);

  const std::string socket_;
  int listener_ = -1;
  int wake_ = -1;
  std::uint16_t port_ = 0;

  std::mutex mutex_;
  std::condition_variable applied_;
  Mode wanted_ = Mode::forward;
  bool cut_wanted_ = false;
  bool pending_ = false;
  bool stopping_ = false;

  // The thread's own.
  Mode mode_ = Mode::forward;
  std::list<Link> links_;
  std::thread thread_;
};

}  // namespace parsec::testing
