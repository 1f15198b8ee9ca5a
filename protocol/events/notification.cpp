#include "protocol/events/notification.h"

#include "protocol/bytes/random.h"

namespace parsec::protocol {

Notification::Notification(std::string_view signal, std::uint32_t fields) : writer_(buffer_) {
  writer_.map(2 + fields);
  key("__id__").str(unique_id());
  key("__signal__").str(signal);
}

}  // namespace parsec::protocol
