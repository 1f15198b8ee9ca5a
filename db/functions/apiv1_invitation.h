// Typed calls of db/schema/sql/functions/apiv1_invitation.sql: users and devices by invitation, as
// API v1 has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/author.h"

namespace parsec::db::functions {

/// What is invited. All calls exist for both, and take a user ID or a device ID accordingly.
enum class Invited : std::uint8_t { user, device };

/// status: already_exists; of users not_allowed.
void invite(Request& call, Author author, Invited kind, std::string_view invited_id);

/// status: of users not_allowed. notification: user.invitation.cancelled, device.….
void cancel_invitation(Request& call, Author author, Invited kind, std::string_view invited_id,
                       Bytes notification);

struct InvitationCreatorColumns {
  static constexpr int user_certificate = 1;  // row 0
  static constexpr int device_certificate = 2;
  // rows 1…: the trustchain
  static constexpr int list = 3;  // devices, users, revoked_users
  static constexpr int certificate = 4;
};
/// status: not_found, organization_expired.
void get_invitation_creator(Request& call, std::string_view organization_id, Invited kind,
                            std::string_view invited_id);

/// status: not_found, organization_expired. notification: user.claimed, device.claimed.
/// kept_claim: the encrypted_claim, if the notification cannot tell it and has an empty one: a
/// large claim, or one that is empty.
void claim(Request& call, std::string_view organization_id, Invited kind,
           std::string_view invited_id, Bytes notification, std::optional<Bytes> kept_claim);

struct KeptClaimColumns {
  static constexpr int encrypted_claim = 1;
};
/// The claim of a user.claimed or device.claimed with an empty one.
void kept_claim(Request& call, std::string_view organization_id, std::string_view invited_id);

struct UserCreatedColumns {
  static constexpr int user_certificate = 1;
  static constexpr int device_certificate = 2;
};
/// What a user.created event with empty certificates left out. status: not_found.
void user_created(Request& call, std::string_view organization_id,
                  std::string_view first_device_id);

}  // namespace parsec::db::functions
