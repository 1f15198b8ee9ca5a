#include "db/functions/search_pattern.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "db/schema/embedded_sql.h"

namespace parsec::db::functions {
namespace {

TEST(SearchPattern, Words) {
  const struct {
    std::string_view query;
    std::optional<std::string_view> pattern;
  } rows[] = {
      {"", std::nullopt},
      {" \t\r\n\v\f", std::nullopt},
      {"\u00A0\u1680\u2003\u2028\u3000\u0085", std::nullopt},
      {"ann", "%ann%"},
      {"  Ann \n Lee ", "%Ann%Lee%"},
      {"Ann\u3000Lee", "%Ann%Lee%"},
      {"\u00C0\u00E9", "%\u00C0\u00E9%"},
      {"100% sure", "%100\\%%sure%"},
      {"% a", "%\\%%a%"},
      {"b_l", "%b\\_l%"},
      {"a\\", "%a\\\\%"},
      {"^a.*(b|c)$", "%^a.*(b|c)$%"},
  };
  for (const auto& row : rows) EXPECT_EQ(search_pattern(row.query), row.pattern) << row.query;
}

TEST(SearchPattern, IsNotLongerThanWhatCouldMatch) {
  std::string query;
  for (int i = 0; i < 100'000; ++i) query += "\u20AC";
  const std::string pattern = *search_pattern(query);
  EXPECT_LT(pattern.size(), 8200U);
  EXPECT_EQ((pattern.size() - 2) % 3, 0U);  // whole characters
  EXPECT_EQ(search_pattern(std::string(100'000, ' ') + "a"), "%a%");
}

// Expressions of any kind can be made costly by whoever may write them.
TEST(SearchPattern, NoFunctionKnowsRegularExpressions) {
  const std::regex operators{R"([^a-z]~\*?[ ']|regexp_|SIMILAR TO)"};
  for (const SqlFile& file : function_sql) {
    EXPECT_FALSE(std::regex_search(std::string{file.text}, operators)) << file.name;
  }
}

}  // namespace
}  // namespace parsec::db::functions
