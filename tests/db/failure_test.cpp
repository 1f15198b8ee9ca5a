#include "db/failure.h"

#include <gtest/gtest.h>

namespace parsec::db {
namespace {

TEST(Failure, Remedies) {
  const struct {
    std::string_view sqlstate;
    Remedy remedy;
  } rows[] = {
      {"40001", Remedy::again},      {"40P01", Remedy::again},     {"23505", Remedy::again},
      {"55P03", Remedy::once_again}, {"0A000", Remedy::prepare},   {"26000", Remedy::prepare},
      {"25006", Remedy::reconnect},  {"57P01", Remedy::reconnect}, {"08006", Remedy::reconnect},
      {"22P02", Remedy::none},       {"42883", Remedy::none},      {"57014", Remedy::none},
      {"53100", Remedy::none},       {"", Remedy::none},           {"08", Remedy::reconnect},
  };
  for (const auto& row : rows) EXPECT_EQ(remedy_for(row.sqlstate), row.remedy) << row.sqlstate;
}

}  // namespace
}  // namespace parsec::db
