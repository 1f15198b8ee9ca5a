// The steps of user_create, which its two forms share (protocol/4-commands.md §4.4,
// protocol/7-apiv1.md §7.3).
#pragma once

#include <optional>
#include <string_view>

#include "db/driver/request.h"
#include "protocol/commands/new_user.h"
#include "protocol/session/session.h"
#include "protocol/types/certificates.h"

namespace parsec::protocol::commands {

struct CheckedUser {
  UserCertificate user;
  DeviceCertificate device;
};

/// Checks 1 to 6. nullopt: one failed and was answered.
std::optional<CheckedUser> check_user_creation(Session& session,
                                               const UserCertificates& certificates);

/// Checks 7 and 8, and the work: fills the call.
void start_user_creation(Session& session, db::Request& call, const CheckedUser& checked,
                         const UserCertificates& certificates);

void reply_user_creation(Session& session, std::string_view status, const UserCertificate& user);

}  // namespace parsec::protocol::commands
