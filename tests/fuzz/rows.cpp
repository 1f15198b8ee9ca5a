// Any values as parameters of a request and, as PostgreSQL gives them back, in a result: each is
// read as it was written. Any eight bytes as a timestamp lie in the years that clients know.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/fuzz/support/input.h"
#include "tests/support/scripted_database.h"

namespace {

using namespace parsec;
using testing::Cell;

std::int64_t integer(testing::Input& input) {
  std::int64_t value = 0;
  const auto bytes = input.bytes(sizeof value);
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

/// The parameter that was added last.
Cell echo(const db::Request& request) {
  const auto& parameter = request.parameters().back();
  if (parameter.length < 0) return testing::null_cell();
  return {false, std::string{request.parameter_data(parameter),
                             static_cast<std::size_t>(parameter.length)}};
}

struct Value {
  enum class Kind : std::uint8_t { null, text, boolean, int4, int8, uuid, datetime };
  Kind kind;
  std::int64_t number;
  std::string_view text;
};

Value take(testing::Input& input) {
  Value value{static_cast<Value::Kind>(input.one_of(7)), 0, {}};
  if (value.kind == Value::Kind::text) {
    value.text = input.chunk();
  } else {
    value.number = integer(input);
  }
  return value;
}

Uuid uuid_of(std::int64_t number) {
  Uuid uuid{};
  std::memcpy(uuid.bytes.data(), &number, sizeof number);
  return uuid;
}

DateTime datetime_of(std::int64_t number) {
  constexpr auto years = DateTime::max_microseconds - DateTime::min_microseconds;
  return {DateTime::min_microseconds +
          static_cast<std::int64_t>(static_cast<std::uint64_t>(number) % years)};
}

void write(db::Request& request, const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      request.null();
      return;
    case Value::Kind::text:
      request.text(value.text);
      return;
    case Value::Kind::boolean:
      request.boolean((value.number & 1) != 0);
      return;
    case Value::Kind::int4:
      request.int4(static_cast<std::int32_t>(value.number));
      return;
    case Value::Kind::int8:
      request.int8(value.number);
      return;
    case Value::Kind::uuid:
      request.uuid(uuid_of(value.number));
      return;
    case Value::Kind::datetime:
      request.datetime(datetime_of(value.number));
      return;
  }
}

void check(const db::Rows& rows, int row, const Value& value) {
  assert(rows.is_null(row, 0) == (value.kind == Value::Kind::null));
  switch (value.kind) {
    case Value::Kind::null:
      assert(rows.text(row, 0).empty() && !rows.optional_datetime(row, 0));
      return;
    case Value::Kind::text:
      assert(rows.text(row, 0) == value.text);
      return;
    case Value::Kind::boolean:
      assert(rows.boolean(row, 0) == ((value.number & 1) != 0));
      return;
    case Value::Kind::int4:
      assert(rows.integer(row, 0) == static_cast<std::int32_t>(value.number));
      return;
    case Value::Kind::int8: {
      assert(rows.integer(row, 0) == value.number);
      const auto time = rows.datetime(row, 0).microseconds;
      assert(time >= DateTime::min_microseconds && time <= DateTime::max_microseconds);
      return;
    }
    case Value::Kind::uuid:
      assert(rows.uuid(row, 0) == uuid_of(value.number));
      return;
    case Value::Kind::datetime:
      assert(rows.datetime(row, 0) == datetime_of(value.number));
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  testing::Input input{data, size};
  db::Request request;
  std::vector<Value> values;
  std::vector<testing::CellRow> cells;
  while (!input.empty() && values.size() < 64) {
    values.push_back(take(input));
    write(request, values.back());
    cells.push_back({echo(request)});
  }
  if (values.empty()) return 0;
  request.result = testing::make_result(cells);
  assert(request.rows().count() == static_cast<int>(values.size()));
  assert(request.result_bytes() > 0);
  for (int row = 0; row < request.rows().count(); ++row) {
    check(request.rows(), row, values[static_cast<std::size_t>(row)]);
  }
  return 0;
}
