// Human handles (protocol/3-types.md §3.1): the mailbox text `label <email>`, parsed by the rules
// of RFC 5322 §3.4, must give back exactly that label and that email.
//
// So only the forms that a parser leaves as they are: no quotes or comments around the label, no
// white space that folding would change. Any thread; pure functions.
#pragma once

#include <string_view>

namespace parsec::protocol {

/// A display name that reads back as it is: atoms (dots allowed, as in `Dr. John`) with one space
/// between them, and at most one comment at the end, as in `John (work)`.
bool is_plain_display_name(std::string_view label);

/// An addr-spec that reads back as it is, or its local part alone.
bool is_plain_address(std::string_view email);

}  // namespace parsec::protocol
