#include "db/driver/target.h"

#include <gtest/gtest.h>

namespace parsec::db {
namespace {

TEST(Target, Kinds) {
  EXPECT_EQ(parse_target("MOCKED")->kind, Target::Kind::mocked);
  EXPECT_EQ(parse_target("embedded:/var/lib/x:y")->location, "/var/lib/x:y");
  for (const std::string_view url :
       {"postgresql://", "postgres://host/db", "postgresql://a,b:1234/db?target_session_attrs=any",
        "postgresql:///db?host=/run/postgresql&service=x", "postgresql://user:p%40ss@[::1]:5/d"}) {
    const auto target = parse_target(url);
    ASSERT_TRUE(target) << url;
    EXPECT_EQ(target->kind, Target::Kind::server);
    EXPECT_EQ(target->location, url);
  }
}

TEST(Target, Refused) {
  for (const std::string_view text :
       {"", "mocked", "embedded:", "mysql://x", "host=x", "postgresql:/x", "POSTGRESQL://x",
        "postgresql://h/d?nonsense=secret", "postgresql://u:secret%zz@h/d",
        // libpq would take parts of the password for a host, a port or a database.
        "postgresql://u:p@secret@h/d", "postgresql://u:secret@secret@h/d?sslmode=require",
        "postgresql://u:secret/secret@h/d", "postgresql://u:p@secret/secret@h:1/d",
        "postgresql://u:secret?host=secret@h/d", "postgresql://u:7/secret@h/d"}) {
    const auto target = parse_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error().find("secret"), std::string::npos) << target.error();
  }
}

TEST(Target, DescriptionsKeepSecrets) {
  const struct {
    std::string_view url, description;
  } rows[] = {
      {"MOCKED", "MOCKED"},
      {"embedded:/x", "embedded:/x"},
      {"postgresql://host:5432/db", "postgresql://host:5432/db"},
      {"postgresql://me:pw@host/db", "postgresql://me@host/db"},
      {"postgresql://me@h1,h2/db", "postgresql://me@h1,h2/db"},
      {"postgresql://me:p@w@host/db", "postgresql://me@host/db"},
      {"postgresql://me:p/w?x@host/db", "postgresql://me@host/db"},
      {"postgres:///db?host=/run&password=pw&sslmode=require",
       "postgres:///db?host=/run&password=***&sslmode=require"},
      {"postgres:///?pass%77ord=pw", "postgres:///?pass%77ord=***"},
      {"postgres:///?sslpassword=a&user=b&", "postgres:///?sslpassword=***&user=b"},
  };
  for (const auto& row : rows) {
    Target target{Target::Kind::server, std::string{row.url}};
    if (const auto parsed = parse_target(row.url); parsed) target = *parsed;
    EXPECT_EQ(target.description(), row.description);
  }
}

}  // namespace
}  // namespace parsec::db
