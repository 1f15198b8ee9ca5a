#include "db/driver/failure.h"

#include <gmock/gmock.h>
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
  for (const auto& row : rows)
    EXPECT_EQ(remedy_for({.sqlstate = row.sqlstate}), row.remedy) << row.sqlstate;
}

TEST(Failure, AnIdThatIsTakenStaysTaken) {
  ServerError error{
      .sqlstate = "23505", .schema = "public", .table = "block", .constraint = "block_pkey"};
  EXPECT_EQ(remedy_for(error), Remedy::none);
  EXPECT_THAT(cure_for(error), ::testing::HasSubstr("public.block__id_seq"));
  EXPECT_THAT(cure_for(error), ::testing::HasSubstr("parsec backend migrate"));
  error.constraint = "realm_vlob_update_realm_index_key";  // another server was faster
  EXPECT_EQ(remedy_for(error), Remedy::again);
  EXPECT_EQ(cure_for(error), "");
  EXPECT_EQ(cure_for({.sqlstate = "40001"}), "");
}

}  // namespace
}  // namespace parsec::db
