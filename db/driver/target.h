// What `--db` names: a private cluster of ours, or a server that is there already.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace parsec::db {

struct Target {
  enum class Kind : std::uint8_t {
    mocked,    // `MOCKED`: a private cluster in a temporary directory, gone at the end
    embedded,  // `embedded:<directory>`: a private cluster that stays
    server,    // `postgresql://…` or `postgres://…`
  };
  Kind kind = Kind::mocked;
  std::string location;  // the directory or the URL; the URL may hold a password: never log it

  /// For logs and the line at start: the same text without any password.
  std::string description() const;
};

/// The value of `--db`. The error is a sentence for the user, without any password.
std::expected<Target, std::string> parse_target(std::string_view text);

}  // namespace parsec::db
