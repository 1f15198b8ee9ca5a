#include "tests/fuzz/support/made_rows.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <map>
#include <string>
#include <utility>

#include "db/schema/embedded_sql.h"

namespace parsec::testing {
namespace {

struct Column {
  std::string name;
  std::string type;
};
using Columns = std::vector<Column>;

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

std::string_view take_word(std::string_view& text) {
  while (!text.empty() && !is_name(text[0])) text.remove_prefix(1);
  const auto size = std::ranges::find_if_not(text, is_name) - text.begin();
  const auto word = text.substr(0, static_cast<std::size_t>(size));
  text.remove_prefix(word.size());
  return word;
}

/// `status text, version integer` between the parentheses after RETURNS TABLE.
Columns read_columns(std::string_view text) {
  Columns columns;
  while (true) {
    const auto name = take_word(text);
    if (name.empty()) return columns;
    columns.push_back({std::string{name}, std::string{take_word(text)}});
    text.remove_prefix(std::min(text.find(','), text.size()));
  }
}

std::map<std::string, Columns, std::less<>> read_functions() {
  constexpr std::string_view head = "FUNCTION parsec_functions.";
  constexpr std::string_view table = "RETURNS TABLE (";
  std::map<std::string, Columns, std::less<>> functions;
  for (const auto& file : db::function_sql) {
    for (auto at = file.text.find(head); at != file.text.npos; at = file.text.find(head, at + 1)) {
      auto text = file.text.substr(at + head.size());
      const auto name = take_word(text);
      text = text.substr(0, text.find("AS $$"));
      const auto start = text.find(table);
      if (start == text.npos) continue;
      text.remove_prefix(start + table.size());
      functions[std::string{name}] = read_columns(text.substr(0, text.find(')')));
    }
  }
  return functions;
}

const Columns& columns_of(const db::Function& function) {
  static const auto functions = read_functions();
  constexpr std::string_view schema = "parsec_functions.";
  std::string_view sql = function.sql;
  sql.remove_prefix(sql.find(schema) + schema.size());
  const auto found = functions.find(take_word(sql));
  assert(found != functions.end());
  return found->second;
}

/// Those that functions answer, as db/functions/*.h name them; others are as good as failures.
constexpr std::array<std::string_view, 35> statuses{"ok",
                                                    "ok",
                                                    "ok",
                                                    "ok",
                                                    "not_found",
                                                    "busy",
                                                    "elsewhere",
                                                    "waiting",
                                                    "not_allowed",
                                                    "deleted",
                                                    "realm_not_found",
                                                    "vlob_not_found",
                                                    "user_not_found",
                                                    "block_not_found",
                                                    "in_maintenance",
                                                    "not_in_maintenance",
                                                    "maintenance_error",
                                                    "participants_mismatch",
                                                    "bad_version",
                                                    "bad_encryption_revision",
                                                    "bad_timestamp",
                                                    "already_exists",
                                                    "already_granted",
                                                    "already_revoked",
                                                    "already_member",
                                                    "user_already_exists",
                                                    "human_already_exists",
                                                    "incompatible_profile",
                                                    "older_than_current",
                                                    "organization_not_found",
                                                    "invalid_state",
                                                    "already_bootstrapped",
                                                    "author_revoked",
                                                    "organization_expired",
                                                    "author_unknown"};

/// Of these names both are null, or none.
constexpr std::array<std::string_view, 9> nullable{
    "email",           "label",         "human_email",
    "human_label",     "claimer_email", "revoked_user_certificate",
    "expiration_date", "peer_payload",  "root_verify_key"};

struct Words {
  std::string_view column;
  std::array<std::string_view, 4> words;
};
constexpr std::array<Words, 3> known_words{{
    {"list", {"own", "devices", "users", "revoked_users"}},
    {"profile", {"ADMIN", "STANDARD", "OUTSIDER", "ADMIN"}},
    {"role", {"OWNER", "MANAGER", "CONTRIBUTOR", "READER"}},
}};

/// PostgreSQL's text is UTF-8 without NUL.
Cell made_text(const Column& column, Input& input) {
  for (const auto& known : known_words) {
    if (known.column == column.name) return text_cell(known.words[input.one_of(4)]);
  }
  if (column.name == "type") return text_cell(input.chance() ? "DEVICE" : "USER");
  std::string text{input.bytes(input.one_of(16))};
  for (char& c : text) c = static_cast<char>(c & 0x7F) == '\0' ? '0' : static_cast<char>(c & 0x7F);
  return text_cell(text);
}

std::string fixed(Input& input, std::size_t size) {
  std::string bytes{input.bytes(size)};
  bytes.resize(size);
  return bytes;
}

Cell made_cell(const Column& column, Input& input) {
  if (column.type == "text") return made_text(column, input);
  if (column.type == "boolean") return bool_cell(input.chance());
  if (column.type == "integer") return {false, fixed(input, 4)};
  if (column.type == "bigint" || column.type == "timestamptz") return {false, fixed(input, 8)};
  if (column.type == "uuid") return {false, fixed(input, 16)};
  assert(column.type == "bytea");
  if (column.name == "root_verify_key") return {false, fixed(input, 32)};
  return {false, std::string{input.chunk()}};
}

CellRow made_row(const Columns& columns, Input& input) {
  const bool nulls = input.chance();
  const bool in_maintenance = input.chance();
  CellRow row;
  for (const auto& column : columns) {
    const bool is_maintenance = column.name.starts_with("maintenance_");
    const bool is_null =
        is_maintenance ? !in_maintenance : nulls && std::ranges::count(nullable, column.name) > 0;
    row.push_back(is_null ? null_cell() : made_cell(column, input));
  }
  return row;
}

}  // namespace

std::vector<CellRow> made_rows(const db::Function& function, Input& input) {
  const auto& columns = columns_of(function);
  std::vector<CellRow> rows{made_row(columns, input)};
  rows[0][0] = text_cell(statuses[input.one_of(statuses.size())]);
  if (columns.size() == 1) return rows;
  for (auto count = input.one_of(8); count > 0; --count) rows.push_back(made_row(columns, input));
  return rows;
}

}  // namespace parsec::testing
