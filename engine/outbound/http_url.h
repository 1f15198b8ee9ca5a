// A look at a URL that may hold secrets, before anybody uses it.
//
// In a URL the first `/`, `?` or `#` ends the authority, and an `@` the user's part. Where a
// password holds one of them unencoded, its rest becomes a host or a port, which error messages and
// the system's resolver then name. So a URL in which one of them may be part of a password is
// refused, and nothing of it is shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parsec::engine {

/// Whether it may hold user and password.
enum class UrlUser : std::uint8_t { allowed, forbidden };

/// What is wrong with `<scheme>://…`, as the end of a sentence that begins with its name; none: it
/// can be used. The scheme is the caller's business.
std::optional<std::string> complaint_about_url(std::string_view url, UrlUser user);

}  // namespace parsec::engine
