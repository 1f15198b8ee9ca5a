#include "tests/db/function_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <thread>

#include "db/schema/extensions.h"
#include "tests/support/private_postgres.h"

namespace parsec::testing {

using namespace db::functions;

Uuid random_uuid() {
  static std::mt19937_64 random{std::random_device{}()};
  Uuid uuid;
  for (std::size_t half : {0U, 8U}) {
    const std::uint64_t bits = random();
    std::memcpy(uuid.bytes.data() + half, &bits, 8);
  }
  return uuid;
}

namespace {

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

std::string quoted(const Uuid& uuid) { return "'" + uuid.text() + "'"; }

std::string decoded(std::string_view base64) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string octets;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char digit : base64) {
    if (digit == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(digit));
    count += 6;
    if (count >= 8) {
      count -= 8;
      octets += static_cast<char>(bits >> count & 0xff);
    }
  }
  return octets;
}

}  // namespace

// --- Sql

Sql::Sql() : connection_(PQconnectdb(private_database().c_str())) {
  if (PQstatus(connection_) != CONNECTION_OK) {
    ADD_FAILURE() << PQerrorMessage(connection_);
    std::abort();
  }
  // As the workers' connections: plans that hold however the tables grow.
  run("SET enable_seqscan TO off; SET plan_cache_mode TO force_generic_plan; SET jit TO off");
}

Sql::~Sql() { PQfinish(connection_); }

std::string Sql::run(const std::string& statements) {
  const Result result{PQexec(connection_, db::functions_alias().resolved(statements).c_str())};
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    ADD_FAILURE() << statements << ": " << PQresultErrorMessage(result.get());
    return {};
  }
  if (PQntuples(result.get()) == 0 || PQnfields(result.get()) == 0) return {};
  return PQgetvalue(result.get(), 0, 0);
}

Sql::Reply Sql::call(const Fill& fill) {
  send(fill);
  return receive();
}

void Sql::send(const Fill& fill) {
  sent_ = std::make_unique<db::Request>();
  fill(*sent_);
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const auto& parameter : sent_->parameters()) {
    const bool is_null = parameter.length < 0;
    values.push_back(is_null ? nullptr : sent_->parameter_data(parameter));
    lengths.push_back(is_null ? 0 : parameter.length);
  }
  const auto count = static_cast<int>(values.size());
  EXPECT_EQ(count, sent_->function->parameter_count) << sent_->function->name;
  const std::vector<int> formats(values.size(), 1);
  const std::string sql = db::functions_alias().resolved(sent_->function->sql);
  EXPECT_EQ(PQsendQueryParams(connection_, sql.c_str(), count, nullptr, values.data(),
                              lengths.data(), formats.data(), 1),
            1)
      << PQerrorMessage(connection_);
}

Sql::Reply Sql::receive() {
  sent_->result = PQgetResult(connection_);
  while (auto* more = PQgetResult(connection_)) PQclear(more);
  if (PQresultStatus(sent_->result) != PGRES_TUPLES_OK || PQntuples(sent_->result) == 0) {
    ADD_FAILURE() << sent_->function->name << ": " << PQresultErrorMessage(sent_->result);
    std::abort();  // there are no rows to look at
  }
  sent_->outcome = db::Outcome::ok;
  return std::move(sent_);
}

std::string Sql::refusal(const Fill& fill) {
  send(fill);
  const auto executed = std::move(sent_);
  executed->result = PQgetResult(connection_);
  while (auto* more = PQgetResult(connection_)) PQclear(more);
  const char* sqlstate = PQresultErrorField(executed->result, PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr) return {};
  const char* constraint = PQresultErrorField(executed->result, PG_DIAG_CONSTRAINT_NAME);
  return std::string{sqlstate} + " " + (constraint != nullptr ? constraint : "");
}

bool Sql::is_blocked() {
  Sql observer;
  const auto query =
      "SELECT cardinality(pg_blocking_pids(" + std::to_string(PQbackendPID(connection_)) + "))";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (observer.number(query) == 0) {
    PQconsumeInput(connection_);
    if (PQisBusy(connection_) == 0) return false;
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

std::vector<std::string> Sql::notifications() {
  run("SELECT 1");  // what was sent before the answer is here with it
  std::vector<std::string> payloads;
  while (auto* notify = PQnotifies(connection_)) {
    payloads.push_back(decoded(notify->extra));
    PQfreemem(notify);
  }
  return payloads;
}

// --- World

World::World() : organization_id("Org" + random_uuid().hex().substr(0, 20)) {
  sql.run(
      "INSERT INTO public.organization (organization_id, bootstrap_token, root_verify_key)"
      " VALUES ('" +
      organization_id + "', 't', 'k')");
  constexpr std::array<std::array<std::string_view, 2>, 4> users{
      {{"alice", "ADMIN"}, {"bob", "STANDARD"}, {"carol", "STANDARD"}, {"olga", "OUTSIDER"}}};
  for (const auto& [user, profile] : users) {
    const std::string name{user};
    sql.run(
        "INSERT INTO public.user_ (organization, user_id, user_certificate, created_on,"
        " redacted_user_certificate, profile) VALUES (" +
        key() + ", '" + name + "', 'c', now(), 'c', '" + std::string{profile} + "')");
    sql.run(
        "INSERT INTO public.device (organization, user_, device_id, device_certificate,"
        " created_on, redacted_device_certificate) VALUES (" +
        key() + ", " + user_key(user) + ", '" + name + "@dev', 'c', now(), 'c')");
    device_ids_.push_back(name + "@dev");
  }
}

Author World::author(std::string_view user) {
  for (const auto& device_id : device_ids_) {
    if (device_id.starts_with(user)) return {organization_id, device_id};
  }
  return {organization_id, "nobody@dev"};
}

RoleGrant World::role(const Uuid& realm_id, std::string_view user,
                      std::optional<std::string_view> role) {
  return {.realm_id = realm_id,
          .user_id = user,
          .role = role,
          .certificate = as_bytes("certificate"),
          .certified_on = at(++clock)};
}

Uuid World::create_realm() {
  const auto realm_id = random_uuid();
  EXPECT_EQ("ok", sql.status([&](db::Request& call) {
    db::functions::realm_create(call, author("alice"), role(realm_id, "alice", "OWNER"),
                                as_bytes("\x80"));
  }));
  return realm_id;
}

void World::grant(const Uuid& realm_id, std::string_view user,
                  std::optional<std::string_view> role) {
  EXPECT_EQ("ok", sql.status(realm_update_roles("alice", realm_id, user, role)));
}

Uuid World::create_vlob(const Uuid& realm_id, std::string_view blob, std::string_view user) {
  const auto vlob_id = random_uuid();
  EXPECT_EQ("ok", sql.status(vlob_create(user, realm_id, vlob_id, blob)));
  return vlob_id;
}

void World::update_vlob(const Uuid& realm_id, const Uuid& vlob_id, std::int64_t version,
                        std::string_view blob) {
  EXPECT_EQ("ok", sql.status(vlob_update("alice", realm_id, vlob_id, version, blob)));
}

Sql::Fill World::vlob_create(std::string_view user, const Uuid& realm_id, const Uuid& vlob_id,
                             std::string_view blob, std::int64_t revision) {
  return [this, user, realm_id, vlob_id, blob, revision](db::Request& call) {
    db::functions::vlob_create(call, author(user), realm_id,
                               {.encryption_revision = revision,
                                .vlob_id = vlob_id,
                                .version = 1,
                                .created_on = at(1),
                                .blob = as_bytes(blob)},
                               as_bytes("\x81\xa8realm_id"));
  };
}

Sql::Fill World::vlob_update(std::string_view user, const Uuid& realm_id, const Uuid& vlob_id,
                             std::int64_t version, std::string_view blob, std::int64_t revision) {
  return [this, user, realm_id, vlob_id, version, blob, revision](db::Request& call) {
    db::functions::vlob_update(call, author(user), realm_id,
                               {.encryption_revision = revision,
                                .vlob_id = vlob_id,
                                .version = version,
                                .created_on = at(std::min<std::int64_t>(version, 1'000'000)),
                                .blob = as_bytes(blob)},
                               as_bytes("\x81\xa8realm_id"));
  };
}

Sql::Fill World::realm_update_roles(std::string_view user, const Uuid& realm_id,
                                    std::string_view target,
                                    std::optional<std::string_view> new_role,
                                    std::optional<std::string_view> message) {
  return [this, user, message, grant = role(realm_id, target, new_role)](db::Request& call) {
    std::optional<Bytes> body;
    if (message) body = as_bytes(*message);
    db::functions::realm_update_roles(call, author(user), grant, body, as_bytes("role"),
                                      as_bytes("message"));
  };
}

std::string World::key() const {
  return "(SELECT _id FROM public.organization WHERE organization_id = '" + organization_id + "')";
}

std::string World::user_key(std::string_view user) const {
  return "(SELECT _id FROM public.user_ WHERE organization = " + key() + " AND user_id = '" +
         std::string{user} + "')";
}

std::string World::device_key(std::string_view user) const {
  return "(SELECT _id FROM public.device WHERE organization = " + key() + " AND device_id = '" +
         std::string{user} + "@dev')";
}

std::string World::realm_key(const Uuid& realm_id) const {
  return "(SELECT _id FROM public.realm WHERE organization = " + key() +
         " AND realm_id = " + quoted(realm_id) + ")";
}

}  // namespace parsec::testing
