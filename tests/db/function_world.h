// Stored functions under test: connections that execute typed calls (db/functions/) in binary, as
// a worker does, and a fresh organization to call them in.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/driver/request.h"
#include "db/functions/author.h"
#include "db/functions/realm.h"
#include "db/functions/vlob.h"

namespace parsec::testing {

Uuid random_uuid();

/// A fixed instant, and others some microseconds later.
inline DateTime at(std::int64_t microseconds) { return {1'700'000'000'000'000 + microseconds}; }

/// One connection to the program's private database.
class Sql {
 public:
  using Fill = std::function<void(db::Request&)>;
  using Reply = std::unique_ptr<db::Request>;  // executed

  Sql();
  ~Sql();
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;

  /// Statements as text; the first cell of the last one's result, "" if there is none. A failure
  /// fails the test.
  std::string run(const std::string& statements);
  std::int64_t number(const std::string& query) { return std::stoll(run(query)); }

  Reply call(const Fill& fill);
  /// What PostgreSQL refused it with, "<SQLSTATE> <constraint>"; "" if it did not.
  std::string refusal(const Fill& fill);
  std::string status(const Fill& fill) { return std::string{call(fill)->rows().status()}; }

  /// The same in two steps, for calls that have to wait for another connection.
  void send(const Fill& fill);
  Reply receive();
  std::string received_status() { return std::string{receive()->rows().status()}; }
  /// Waits until what was sent waits for a lock. False: it ended instead.
  bool is_blocked();

  /// Payloads of the notifications that came since the last call, decoded from base64.
  std::vector<std::string> notifications();

  PGconn* native() { return connection_; }

 private:
  PGconn* connection_;
  std::unique_ptr<db::Request> sent_;
};

/// An organization of its own with the users alice (ADMIN), bob, carol (STANDARD) and olga
/// (OUTSIDER), one device each: <user>@dev.
class World {
 public:
  World();

  std::string organization_id;
  Sql sql;

  db::functions::Author author(std::string_view user);

  /// alice's.
  Uuid create_realm();
  /// A role given by alice; null: taken away. Each one is later than those before.
  void grant(const Uuid& realm_id, std::string_view user, std::optional<std::string_view> role);
  db::functions::RoleGrant role(const Uuid& realm_id, std::string_view user,
                                std::optional<std::string_view> role);
  Uuid create_vlob(const Uuid& realm_id, std::string_view blob = "v1",
                   std::string_view user = "alice");
  void update_vlob(const Uuid& realm_id, const Uuid& vlob_id, std::int64_t version,
                   std::string_view blob = "v");

  // Calls to execute on any connection
  Sql::Fill vlob_create(std::string_view user, const Uuid& realm_id, const Uuid& vlob_id,
                        std::string_view blob = "v1", std::int64_t revision = 1);
  Sql::Fill vlob_update(std::string_view user, const Uuid& realm_id, const Uuid& vlob_id,
                        std::int64_t version, std::string_view blob = "v",
                        std::int64_t revision = 1);
  Sql::Fill realm_update_roles(std::string_view user, const Uuid& realm_id, std::string_view target,
                               std::optional<std::string_view> role,
                               std::optional<std::string_view> message = {});

  // Keys, for what other servers would write
  std::string key() const;  // of the organization, as an SQL expression
  std::string user_key(std::string_view user) const;
  std::string device_key(std::string_view user) const;
  std::string realm_key(const Uuid& realm_id) const;

  std::int64_t clock = 0;  // microseconds, of the next role

 private:
  std::vector<std::string> device_ids_;
};

}  // namespace parsec::testing
