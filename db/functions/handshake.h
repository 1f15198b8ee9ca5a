// Typed calls of db/schema/sql/functions/handshake.sql, and what their rows say.
#pragma once

#include <optional>
#include <string_view>

#include "db/driver/request.h"

namespace parsec::db::functions {

extern const Function handshake_authenticated_function;
extern const Function handshake_anonymous_function;
extern const Function handshake_anonymous_or_create_function;
extern const Function handshake_invited_function;
extern const Function announce_expired_function;
extern const Function user_realms_function;

/// Precondition of all but known(): it is known. Views into the rows.
struct HandshakeAuthenticated {
  Rows rows;

  bool known() const { return rows.status() == "ok"; }
  Bytes device_certificate() const { return rows.bytes(0, 1); }
  Bytes root_verify_key() const { return rows.bytes(0, 2); }
  bool expired() const { return rows.boolean(0, 3); }
  bool revoked() const { return rows.boolean(0, 4); }
  std::string_view profile() const { return rows.text(0, 5); }
};
/// status: not_found (organization or device).
void handshake_authenticated(Request& call, std::string_view organization_id,
                             std::string_view device_id);

struct HandshakeAnonymous {
  Rows rows;

  bool known() const { return rows.status() == "ok"; }
  /// Null: not bootstrapped.
  std::optional<Bytes> root_verify_key() const {
    if (rows.is_null(0, 1)) return std::nullopt;
    return rows.bytes(0, 1);
  }
  bool expired() const { return rows.boolean(0, 2); }
};
/// create: an unknown organization comes into being (spontaneous bootstrap). status: not_found.
void handshake_anonymous(Request& call, std::string_view organization_id, bool create);

/// In the order of protocol/2-handshake.md §2.2.
struct HandshakeInvited {
  Rows rows;

  bool organization_known() const { return rows.status() != "organization_not_found"; }
  bool expired() const { return rows.boolean(0, 1); }
  bool known() const { return rows.status() == "ok"; }
  // Precondition: known.
  bool deleted() const { return rows.boolean(0, 2); }
  std::string_view type() const { return rows.text(0, 3); }     // USER, DEVICE
  std::string_view greeter() const { return rows.text(0, 4); }  // user ID
};
/// status: organization_not_found, not_found.
void handshake_invited(Request& call, std::string_view organization_id, const Uuid& token);

/// notification: organization.expired, sent unless that expiration was announced within a minute.
void announce_expired(Request& call, std::string_view organization_id, Bytes notification);

struct UserRealmsColumns {  // rows 1…
  static constexpr int realm_id = 1;
  static constexpr int role = 2;
};
/// The realms where the user has a role now. status: as of an author.
void user_realms(Request& call, std::string_view organization_id, std::string_view user_id);

}  // namespace parsec::db::functions
