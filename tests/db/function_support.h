// Beside function_world.h: users to create, and how many rows a call looks at.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "db/driver/call_set.h"
#include "db/functions/user.h"
#include "tests/db/function_world.h"

namespace parsec::testing {

/// A user with its first device, <user>@dev; certificates are named after them.
struct Person {
  explicit Person(std::string user, std::string profile_name = "STANDARD",
                  std::optional<std::string> human_email = {})
      : user_id(std::move(user)), profile(std::move(profile_name)), email(std::move(human_email)) {}

  std::string user_id;
  std::string profile;
  std::optional<std::string> email;
  std::string label = "Label";
  std::string device_id = user_id + "@dev";
  std::string user_certificate = "user " + user_id;
  std::string redacted_user_certificate = "redacted user " + user_id;
  std::string device_certificate = "device " + device_id;
  std::string redacted_device_certificate = "redacted device " + device_id;

  db::functions::NewUser row() const {
    using Text = std::optional<std::string_view>;
    return {
        .certified_on = at(1),
        .user_id = user_id,
        .profile = profile,
        .human_email = email ? Text{*email} : Text{},
        .human_label = email ? Text{label} : Text{},
        .user_certificate = as_bytes(user_certificate),
        .redacted_user_certificate = as_bytes(redacted_user_certificate),
        .device = {.device_id = device_id,
                   .device_label = "label",
                   .device_certificate = as_bytes(device_certificate),
                   .redacted_device_certificate = as_bytes(redacted_device_certificate)},
    };
  }
};

/// A user_create by that device of the organization, with notification "created".
inline Sql::Fill create_user(const World& world, std::string author_device, Person person) {
  return [&world, author_device = std::move(author_device),
          person = std::move(person)](db::Request& call) {
    db::functions::user_create(call, {world.organization_id, author_device}, person.row(),
                               as_bytes("created"));
  };
}

/// The set of those calls (db/driver/call_set.h); and what comes before it in its transaction.
inline Sql::Fill statement_over(const db::SetStatement& statement,
                                const std::vector<Sql::Fill>& fills) {
  return [&](db::Request& call) {
    std::vector<db::Request> calls(fills.size());
    std::vector<const db::Request*> pointers;
    for (std::size_t i = 0; i < fills.size(); ++i) {
      fills[i](calls[i]);
      pointers.push_back(&calls[i]);
    }
    db::SetParameters parameters;
    parameters.fill(statement, pointers);
    call.function = &statement.function;
    for (std::size_t i = 0; i < parameters.values().size(); ++i) {
      const auto length = static_cast<std::size_t>(parameters.lengths()[i]);
      call.text({parameters.values()[i], length});
    }
  };
}
inline const db::SetStatement& set_of(const Sql::Fill& fill) {
  db::Request call;
  fill(call);
  return *call.function->set;
}
/// All in one statement, after what comes before it.
inline Sql::Reply call_as_set(Sql& sql, const std::vector<Sql::Fill>& fills) {
  const db::SetStatement& set = set_of(fills.front());
  if (set.before != nullptr) sql.call(statement_over(*set.before, fills));
  return sql.call(statement_over(set, fills));
}

/// Rows and index entries of any table that the call read: what its cost grows with. Leaves nothing
/// of the call.
inline std::int64_t rows_read_at_once(Sql& sql, const Sql::Fill& fill) {
  const std::string count =
      "SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))"
      " FROM pg_class WHERE relkind IN ('r', 'i')"
      " AND relnamespace IN ('public'::regnamespace, 'parsec_ext'::regnamespace)";
  sql.run("BEGIN");
  const auto before = sql.number(count);
  sql.call(fill);
  const auto after = sql.number(count);
  sql.run("ROLLBACK");
  return after - before;
}

/// The same after a call that makes the plans, and what else it leaves.
inline std::int64_t rows_read(Sql& sql, const Sql::Fill& fill) {
  sql.call(fill);
  return rows_read_at_once(sql, fill);
}

}  // namespace parsec::testing
