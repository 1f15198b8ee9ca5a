// The body of the bootstrap webhook (app/server.md §5). Any thread; pure function.
#pragma once

#include <string>

#include "protocol/mail/outbox.h"

namespace parsec::protocol {

/// `{"organization_id": …, "device_id": …, "device_label": …, "human_email": …, "human_label": …}`
/// in ASCII: what is beyond is escaped (RFC 8259 §7), what is no UTF-8 becomes U+FFFD.
std::string webhook_body(const BootstrapNotice& notice);

}  // namespace parsec::protocol
