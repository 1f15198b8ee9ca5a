// What a client searches is plain text, never a pattern (protocol/4-commands.md §4.4 human_find).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parsec::db::functions {

/// The pattern of LIKE (with its default escape) for texts that hold the words of the query, which
/// white space separates, in their order and without overlap. Null: no word, so every text.
std::optional<std::string> search_pattern(std::string_view query);

}  // namespace parsec::db::functions
