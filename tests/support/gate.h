// A gate between a client and PostgreSQL's unix socket that can be shut in named ways: what a
// network may do to a connection, at a moment the test chooses.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace parsec::testing {

class Gate {
 public:
  /// server_directory: where PostgreSQL's socket is.
  explicit Gate(const std::string& server_directory);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// Where clients find it: `host` of a conninfo.
  const std::string& directory() const { return directory_; }

  /// Ends all connections, both sides. New ones are accepted.
  void cut();
  /// New connections are ended at once, or accepted again.
  void refuse(bool refuse) { refusing_ = refuse; }
  /// What the server sends is kept back, or delivered again.
  void hold_answers(bool hold) { holding_answers_ = hold; }
  /// The same of what clients send. Their kernel takes it all the same.
  void hold_requests(bool hold) { holding_requests_ = hold; }

  /// Ends every connection whose client sends this, before the server gets it; empty: none.
  void end_at(std::string text);
  /// How many ended so.
  std::size_t ended() const { return ended_; }

  std::size_t connections() const;

 private:
  struct Pair;
  void run();
  void accept_one();
  bool forward_request(const Pair& pair);

  std::string directory_;
  std::string server_path_;
  int listening_ = -1;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> refusing_ = false;
  std::atomic<bool> holding_answers_ = false;
  std::atomic<bool> holding_requests_ = false;
  std::atomic<std::size_t> ended_ = 0;
  mutable std::mutex mutex_;
  std::string ending_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::thread thread_;
};

}  // namespace parsec::testing
