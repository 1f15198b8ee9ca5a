#include "tests/support/database_probe.h"

#include <libpq-fe.h>
#include <poll.h>

#include <stdexcept>

#include "protocol/bytes/base64.h"

namespace parsec::testing {
namespace {

// Object identifiers of built-in types (pg_type.dat).
enum TypeId : Oid {
  boolean = 16,
  octets = 17,
  int8 = 20,
  int2 = 21,
  int4 = 23,
  timestamptz = 1184,
  uuid = 2950
};

constexpr std::int64_t postgres_epoch_us = 946'684'800'000'000;  // 2000-01-01

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t value = (static_cast<unsigned char>(bytes[0]) & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(value);
}

Document column(const pg_result* result, int row, int number) {
  if (PQgetisnull(result, row, number) != 0) return nullptr;
  const std::string_view bytes{PQgetvalue(result, row, number),
                               static_cast<std::size_t>(PQgetlength(result, row, number))};
  switch (PQftype(result, number)) {
    case boolean:
      return bytes[0] != 0;
    case int2:
    case int4:
    case int8:
      return big_endian(bytes);
    case octets:
      return Octets{as_bytes(bytes)};
    case uuid:
      return Uuid::from(as_bytes(bytes));
    case timestamptz:
      return DateTime{big_endian(bytes) + postgres_epoch_us};
    default:  // texts and enums
      return bytes;
  }
}

struct Parameters {
  explicit Parameters(const Array& documents) {
    for (const Document& document : documents) {
      const bool binary = document.is<Octets>();
      null.push_back(document.is_nil());
      texts.push_back(binary                       ? document.octets().bytes
                      : document.is<std::string>() ? document.text()
                      : document.is_nil()          ? ""
                                                   : to_text(document));
      types.push_back(binary ? Oid{TypeId::octets} : Oid{0});
      formats.push_back(binary ? 1 : 0);
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
      values.push_back(null[i] ? nullptr : texts[i].data());
      lengths.push_back(static_cast<int>(texts[i].size()));
    }
  }

  std::vector<bool> null;
  std::vector<std::string> texts;
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
};

}  // namespace

void DatabaseProbe::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

DatabaseProbe::DatabaseProbe(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw DatabaseError(PQerrorMessage(connection_.get()), "");
  }
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
}

std::vector<Map> DatabaseProbe::rows(const std::string& sql, const Array& parameters) {
  const Parameters given{parameters};
  const std::unique_ptr<pg_result, decltype(&PQclear)> result{
      PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(parameters.size()),
                   given.types.data(), given.values.data(), given.lengths.data(),
                   given.formats.data(), 1),
      &PQclear};
  take_notifications();
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    throw DatabaseError(PQresultErrorMessage(result.get()), state != nullptr ? state : "");
  }
  std::vector<Map> all;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    Map one;
    for (int number = 0; number < PQnfields(result.get()); ++number) {
      one.add(PQfname(result.get(), number), column(result.get(), row, number));
    }
    all.push_back(std::move(one));
  }
  return all;
}

Document DatabaseProbe::value(const std::string& sql, const Array& parameters) {
  const std::vector<Map> all = rows(sql, parameters);
  return all.empty() ? Document() : all.front().entries().front().value;
}

DatabaseProbe& DatabaseProbe::listen() {
  execute("LISTEN app_notification");
  return *this;
}

Document DatabaseProbe::next_notification(Duration timeout) {
  const Deadline deadline = within(timeout);
  while (heard_.empty()) {
    const auto left = std::chrono::ceil<Duration>(deadline - std::chrono::steady_clock::now());
    pollfd wanted{PQsocket(connection_.get()), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) == 0) {
      throw TimedOut("no notification in time");
    }
    PQconsumeInput(connection_.get());
    take_notifications();
  }
  Document first = std::move(heard_.front());
  heard_.pop_front();
  return first;
}

void DatabaseProbe::take_notifications() {
  while (PGnotify* notification = PQnotifies(connection_.get())) {
    const std::string payload = notification->extra;
    PQfreemem(notification);
    const auto bytes = protocol::base64_decode(payload);
    try {
      heard_.push_back(bytes ? unpack(as_text(*bytes)) : Document(payload));
    } catch (const std::runtime_error&) {
      heard_.push_back(payload);
    }
  }
}

void DatabaseProbe::notify(std::string_view payload) {
  execute("SELECT pg_notify('app_notification', $1::text)", {payload});
}

void DatabaseProbe::notify(std::string_view signal, const Map& fields) {
  notify(encode_notification(Map{{"__id__", random_hex(16)}, {"__signal__", signal}}.with(fields)));
}

std::string encode_notification(const Document& document) {
  return protocol::base64_encode(as_bytes(pack(document)));
}

}  // namespace parsec::testing
