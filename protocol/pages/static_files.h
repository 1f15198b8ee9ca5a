// The assets of the front page, part of the program.
#pragma once

#include <optional>
#include <string_view>

namespace parsec::protocol {

struct StaticFile {
  std::string_view content_type;
  std::string_view content;  // static
};

/// The file of exactly that name: no folder, nothing decoded.
std::optional<StaticFile> find_static_file(std::string_view name);

}  // namespace parsec::protocol
