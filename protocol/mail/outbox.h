// What commands tell the world outside: invitation mails (app/server.md §4) and the bootstrap
// webhook (app/server.md §5). One interface between the protocol, which knows no SMTP and no HTTP
// client, and whoever delivers.
//
// Called on every shard's thread. Handing over takes no I/O and never waits: what cannot be taken
// (a full queue) or delivered is logged by the outbox and changes no reply. All that is needed
// later is copied into the message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/types.h"
#include "protocol/types/identifiers.h"

namespace parsec::protocol {

struct InvitationMail {
  enum class Kind : std::uint8_t { user, device };

  Kind kind{};
  std::string organization_id;
  Uuid token;
  /// user: the claimer's email, any text that invite_new took; device: the author's own email.
  std::string recipient;
  /// Who invites.
  std::string greeter_user_id;
  std::optional<HumanHandle> greeter;
};

/// An organization was bootstrapped by this device.
struct BootstrapNotice {
  std::string organization_id;
  std::string device_id;
  std::optional<std::string> device_label;
  std::optional<HumanHandle> human_handle;
};

class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void send_invitation(InvitationMail mail) = 0;
  virtual void announce_bootstrap(BootstrapNotice notice) = 0;
};

/// Delivers nothing.
class NullOutbox final : public Outbox {
 public:
  void send_invitation(InvitationMail) override {}
  void announce_bootstrap(BootstrapNotice) override {}
};

}  // namespace parsec::protocol
