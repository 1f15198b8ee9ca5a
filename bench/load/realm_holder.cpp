#include "bench/load/realm_holder.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <utility>

namespace parsec::bench {

namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Rows = std::unique_ptr<PGresult, decltype(&PQclear)>;
using Error = std::unexpected<std::string>;

std::string hex(const Uuid& uuid) {
  std::string text;
  for (const auto byte : uuid.bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

class Holder final : public Driver {
 public:
  Holder(Connection connection, const Uuid& realm_id, Driver& driver)
      : connection_(std::move(connection)), realm_id_(hex(realm_id)), driver_(driver) {}

  std::expected<Measurement, std::string> measure(const Load& load) override {
    if (auto held = hold(); !held) return Error{held.error()};
    auto measured = driver_.measure(load);
    const Rows released{PQexec(connection_.get(), "ROLLBACK"), &PQclear};
    // A server may end a session that others wait for: then it was held only for a time.
    return measured;
  }

 private:
  std::expected<void, std::string> hold() {
    if (PQstatus(connection_.get()) != CONNECTION_OK) PQreset(connection_.get());
    const Rows begun{PQexec(connection_.get(), "BEGIN"), &PQclear};
    const char* const id = realm_id_.c_str();
    const Rows row{
        PQexecParams(connection_.get(), "SELECT FROM realm WHERE realm_id = $1::uuid FOR UPDATE", 1,
                     nullptr, &id, nullptr, nullptr, 0),
        &PQclear};
    if (PQresultStatus(row.get()) != PGRES_TUPLES_OK) {
      return Error{"The row of a realm cannot be held: " +
                   std::string{PQerrorMessage(connection_.get())}};
    }
    if (PQntuples(row.get()) != 1) {
      return Error{"The hog's realm is not in the database of --db: is it this server's?"};
    }
    return {};
  }

  Connection connection_;
  const std::string realm_id_;
  Driver& driver_;
};

}  // namespace

std::expected<std::unique_ptr<Driver>, std::string> holding_realm(const std::string& database_url,
                                                                  const Uuid& realm_id,
                                                                  Driver& driver) {
  Connection connection{PQconnectdb(database_url.c_str()), &PQfinish};
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return Error{"The row of a realm cannot be held: " +
                 std::string{PQerrorMessage(connection.get())}};
  }
  return std::make_unique<Holder>(std::move(connection), realm_id, driver);
}

}  // namespace parsec::bench
