// By which name this machine greets a mail server (EHLO, RFC 5321 §4.1.1.1): its fully qualified
// name or, where it has none, one of its addresses as a literal (§4.1.3). Strict servers refuse
// anything else, a short host name for instance.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace parsec::app {

/// A domain, or an address literal ([192.0.2.1], [IPv6:2001:db8::1]).
bool is_hello_name(std::string_view text);

/// Of those names, in this order, the first that is a domain of several labels; else the literal of
/// the first address.
std::string choose_hello_name(const std::vector<std::string>& names,
                              const std::vector<std::string>& addresses);

/// What this machine is called now. Asks the system's resolver, which may take its time.
std::string find_hello_name();

}  // namespace parsec::app
