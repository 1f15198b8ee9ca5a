// A look at the deployment's database beside the servers: rows, and what they tell each other.
//
// Rows come as maps of column name → value; parameters are documents. Notifications of
// app_notification (protocol/6-events.md §6.2) come decoded. Throws where PostgreSQL refuses.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/document.h"
#include "tests/support/socket.h"

struct pg_conn;
struct pg_result;

namespace parsec::testing {

/// What PostgreSQL said; the SQLSTATE tells expected refusals apart.
struct DatabaseError : std::runtime_error {
  DatabaseError(const std::string& text, std::string state)
      : std::runtime_error(text), sqlstate(std::move(state)) {}
  std::string sqlstate;
};

class DatabaseProbe {
 public:
  explicit DatabaseProbe(const std::string& url);

  std::vector<Map> rows(const std::string& sql, const Array& parameters = {});
  /// The one value of the one row; null where there is no row.
  Document value(const std::string& sql, const Array& parameters = {});
  void execute(const std::string& sql, const Array& parameters = {}) { rows(sql, parameters); }

  /// From now on notifications are heard.
  DatabaseProbe& listen();
  /// The next one, decoded; throws TimedOut. What cannot be decoded comes as its payload text.
  Document next_notification(Duration timeout = patience);
  void notify(std::string_view payload);
  /// As another server would: with an __id__, in base64.
  void notify(std::string_view signal, const Map& fields);

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  void take_notifications();

  std::unique_ptr<pg_conn, Close> connection_;
  std::deque<Document> heard_;
};

/// A notification's payload.
std::string encode_notification(const Document& document);

}  // namespace parsec::testing
