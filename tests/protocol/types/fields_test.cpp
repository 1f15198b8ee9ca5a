#include "protocol/types/fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tests/protocol/msgpack_text.h"

namespace parsec::protocol {
namespace {

using msgpack::Value;
using msgpack::Writer;
using Write = std::function<void(Writer&)>;

/// A map with one field `f`, and what reading it gives.
class Message {
 public:
  explicit Message(const Write& value) {
    Writer writer{buffer_};
    writer.map(1);
    writer.str("f");
    value(writer);
  }
  Fields fields() const { return Fields{*msgpack::parse(buffer_.bytes())}; }

 private:
  engine::OutputBuffer buffer_;
};

std::string errors_of(const Fields& fields) {
  engine::OutputBuffer buffer;
  Writer writer{buffer};
  fields.write_errors(writer);
  return msgpack::to_text(*msgpack::parse(buffer.bytes()));
}

/// The message for that value of a required field of that type; empty: accepted.
template <typename Type, typename... Options>
std::string refusal(const Write& value, Options... options) {
  const Message message{value};
  auto fields = message.fields();
  fields.required<Type>("f", options...);
  return fields.valid() ? "" : fields.first_error().substr(3);
}

void nil(Writer& w) { w.nil(); }
void integer(Writer& w) { w.integer(1); }
void text(Writer& w) { w.str("x"); }
void bin(Writer& w) { w.bin(as_bytes("xyz")); }
void array(Writer& w) { w.array(0); }
void map(Writer& w) { w.map(0); }
void boolean(Writer& w) { w.boolean(true); }
void uuid(Writer& w) { w.uuid({}); }
void datetime(Writer& w) { w.datetime({}); }
void other_ext(Writer& w) { w.ext(5, as_bytes("12345678")); }

// --- protocol/1-transport.md §1.4, field types and their messages
// -----------------------------------------

struct KindRow {
  std::string type, message;
  std::function<std::string(const Write&)> refusal_of;
  std::vector<void (*)(Writer&)> accepted;
};

TEST(FieldTypes, AcceptOnlyTheirKind) {
  const KindRow rows[] = {
      {"string", "Not a valid string.", [](auto& w) { return refusal<field::String>(w); }, {text}},
      {"integer",
       "Not a valid integer.",
       [](auto& w) { return refusal<field::Integer>(w); },
       {integer, boolean}},
      {"boolean",
       "Not a valid boolean.",
       [](auto& w) { return refusal<field::Boolean>(w); },
       {integer, boolean}},
      {"bytes", "Not bytes", [](auto& w) { return refusal<field::Binary>(w); }, {bin}},
      {"UUID", "Not an UUID", [](auto& w) { return refusal<field::Uuid>(w); }, {uuid}},
      {"datetime",
       "Not a datetime",
       [](auto& w) { return refusal<field::DateTime>(w); },
       {datetime}},
      {"list", "Not a valid list.", [](auto& w) { return refusal<field::List>(w); }, {array}},
      {"map", "Not a valid mapping type.", [](auto& w) { return refusal<field::Map>(w); }, {map}},
      {"key", "Invalid verify key.", [](auto& w) { return refusal<field::Key>(w); }, {}},
      {"human handle",
       "Not a valid tuple type.",
       [](auto& w) { return refusal<field::HumanHandle>(w); },
       {}},
  };
  const std::vector<void (*)(Writer&)> kinds = {integer, text, bin,      array,    map,
                                                boolean, uuid, datetime, other_ext};
  for (const auto& row : rows) {
    EXPECT_EQ(row.refusal_of(nil), "Field may not be null.") << row.type;
    for (const auto kind : kinds) {
      const bool accepted = std::ranges::find(row.accepted, kind) != row.accepted.end();
      EXPECT_EQ(row.refusal_of(kind), accepted ? "" : row.message) << row.type;
    }
  }
}

TEST(FieldTypes, Identifiers) {
  const Write device = [](Writer& w) { w.str("a@b"); };
  const Write two_words = [](Writer& w) { w.str("a b"); };
  EXPECT_EQ(refusal<field::OrganizationId>(text), "");
  EXPECT_EQ(refusal<field::OrganizationId>(two_words), "Invalid organization ID");
  EXPECT_EQ(refusal<field::UserId>(text), "");
  EXPECT_EQ(refusal<field::UserId>(device), "Invalid user name");
  EXPECT_EQ(refusal<field::DeviceName>(text), "");
  EXPECT_EQ(refusal<field::DeviceName>(two_words), "Invalid device name");
  EXPECT_EQ(refusal<field::DeviceId>(device), "");
  EXPECT_EQ(refusal<field::DeviceId>(text), "Invalid device ID");
}

TEST(FieldTypes, Keys) {
  const auto sized = [](std::size_t size) -> Write {
    return [size](Writer& w) { w.bin(as_bytes(std::string(size, 'k'))); };
  };
  EXPECT_EQ(refusal<field::Key>(sized(31)), "Invalid verify key.");
  EXPECT_EQ(refusal<field::Key>(sized(32)), "");
  EXPECT_EQ(refusal<field::Key>(sized(33)), "Invalid verify key.");
}

TEST(FieldTypes, Enums) {
  EXPECT_EQ(refusal<field::Role>([](Writer& w) { w.str("OWNER"); }), "");
  EXPECT_EQ(refusal<field::Role>([](Writer& w) { w.str("owner"); }), "Invalid role `owner`");
  EXPECT_EQ(refusal<field::Profile>([](Writer& w) { w.str("NOPE"); }), "Invalid role `NOPE`");
  EXPECT_EQ(refusal<field::Role>(integer), "Not string");
  EXPECT_EQ(refusal<field::Role>(bin), "Not string");
  EXPECT_EQ(refusal<field::Role>(nil), "Field may not be null.");
}

struct IntegerRow {
  Write value;
  std::optional<std::int64_t> expected;
};

TEST(FieldTypes, IntegerForms) {
  constexpr auto max = std::numeric_limits<std::int64_t>::max();
  constexpr auto min = std::numeric_limits<std::int64_t>::min();
  const auto str = [](std::string value) -> Write { return [value](Writer& w) { w.str(value); }; };
  const auto real = [](double value) -> Write { return [value](Writer& w) { w.real(value); }; };
  const IntegerRow rows[] = {
      {integer, 1},
      {[](Writer& w) { w.integer(-7); }, -7},
      {boolean, 1},
      {[](Writer& w) { w.boolean(false); }, 0},
      {real(2.9), 2},
      {real(-2.9), -2},
      {real(1e30), max},
      {real(-1e30), min},
      {real(0x1p63), max},
      {real(-0x1p63), min},
      {real(std::numeric_limits<double>::quiet_NaN()), {}},
      {real(std::numeric_limits<double>::infinity()), {}},
      {real(-std::numeric_limits<double>::infinity()), {}},
      {str("2"), 2},
      {str("+2"), 2},
      {str("-2"), -2},
      {str("007"), 7},
      {str("9223372036854775807"), max},
      {str("9223372036854775808"), max},
      {str("-9223372036854775808"), min},
      {str("-9223372036854775809"), min},
      {str(std::string(30, '9')), max},
      {str("-" + std::string(30, '9')), min},
      {str(""), {}},
      {str("+"), {}},
      {str("-"), {}},
      {str("x"), {}},
      {str("1.5"), {}},
      {str("1x"), {}},
      {str("--1"), {}},
      {str("0x1"), {}},
  };
  for (const auto& row : rows) {
    const Message message{row.value};
    auto fields = message.fields();
    const auto value = fields.required<field::Integer>("f");
    EXPECT_EQ(fields.valid(), row.expected.has_value());
    EXPECT_EQ(value, row.expected.value_or(0));
  }
}

TEST(FieldTypes, IntegerRange) {
  const auto refused = [](std::int64_t value, field::Range range) {
    return !refusal<field::Integer>([value](Writer& w) { w.integer(value); }, range).empty();
  };
  EXPECT_TRUE(refused(0, {.min = 1, .max = 100}));
  EXPECT_FALSE(refused(1, {.min = 1, .max = 100}));
  EXPECT_FALSE(refused(100, {.min = 1, .max = 100}));
  EXPECT_TRUE(refused(101, {.min = 1, .max = 100}));
}

TEST(FieldTypes, BooleanForms) {
  const auto value_of = [](const Write& write) {
    const Message message{write};
    auto fields = message.fields();
    const bool value = fields.required<field::Boolean>("f");
    return fields.valid() ? std::optional{value} : std::nullopt;
  };
  for (const std::string truth : {"t", "T", "true", "True", "TRUE", "1"}) {
    EXPECT_EQ(value_of([&](Writer& w) { w.str(truth); }), true) << truth;
  }
  for (const std::string falsehood : {"f", "F", "false", "False", "FALSE", "0"}) {
    EXPECT_EQ(value_of([&](Writer& w) { w.str(falsehood); }), false) << falsehood;
  }
  for (const std::string other : {"", "yes!", "tRUE", "2", "no"}) {
    EXPECT_EQ(value_of([&](Writer& w) { w.str(other); }), std::nullopt) << other;
  }
  EXPECT_EQ(value_of([](Writer& w) { w.integer(0); }), false);
  EXPECT_EQ(value_of([](Writer& w) { w.integer(2); }), std::nullopt);
  EXPECT_EQ(value_of([](Writer& w) { w.integer(-1); }), std::nullopt);
}

TEST(FieldTypes, HumanHandles) {
  const auto of = [](std::vector<Write> items) -> Write {
    return [items](Writer& w) {
      w.array(static_cast<std::uint32_t>(items.size()));
      for (const auto& item : items) item(w);
    };
  };
  const Write email = [](Writer& w) { w.str("a@b.c"); };
  EXPECT_EQ(refusal<field::HumanHandle>(of({email, text})), "");
  EXPECT_EQ(refusal<field::HumanHandle>(of({email})), "Not a valid tuple type.");
  EXPECT_EQ(refusal<field::HumanHandle>(of({email, text, text})), "Not a valid tuple type.");
  EXPECT_EQ(refusal<field::HumanHandle>(of({nil, nil})), "Not a valid string.");
  EXPECT_EQ(refusal<field::HumanHandle>(of({email, email})), "Invalid human handle");
}

// --- Presence ------------------------------------------------------------------------------------

TEST(Fields, AbsentAndNull) {
  const Message absent{integer};  // holds `f` alone
  auto fields = absent.fields();
  fields.required<field::String>("a");
  EXPECT_EQ(fields.required_nullable<field::String>("b"), std::nullopt);
  EXPECT_EQ(fields.optional<field::String>("c"), std::nullopt);
  EXPECT_EQ(fields.optional_not_null<field::String>("d"), std::nullopt);
  EXPECT_EQ(fields.defaulted<field::Boolean>("e", true), true);
  EXPECT_EQ(errors_of(fields), R"({"a": ["Missing data for required field."], )"
                               R"("b": ["Missing data for required field."]})");

  const Message null{nil};
  const auto refused = [&null](auto read) {
    auto with_null = null.fields();
    read(with_null);
    return with_null.first_error();
  };
  const std::string may_not_be_null = "f: Field may not be null.";
  EXPECT_EQ(refused([](Fields& f) { f.required<field::String>("f"); }), may_not_be_null);
  EXPECT_EQ(refused([](Fields& f) { f.required_nullable<field::String>("f"); }), "");
  EXPECT_EQ(refused([](Fields& f) { f.optional<field::String>("f"); }), "");
  EXPECT_EQ(refused([](Fields& f) { f.optional_not_null<field::String>("f"); }), may_not_be_null);
  EXPECT_EQ(refused([](Fields& f) { f.defaulted<field::Boolean>("f", true); }), may_not_be_null);
}

TEST(Fields, MessagesOfOneFieldAreTogether) {
  const Message message{integer};
  auto fields = message.fields();
  fields.fail("a", "first");
  fields.fail("b", "other");
  fields.fail("a", "second");
  EXPECT_EQ(errors_of(fields), R"({"a": ["first", "second"], "b": ["other"]})");
}

// --- Lists of maps -------------------------------------------------------------------------------

std::string errors_of_batch(const Write& batch, int* items = nullptr) {
  const Message message{batch};
  auto fields = message.fields();
  fields.required_maps("f", [items](Fields& item) {
    item.required<field::Uuid>("id");
    item.required<field::Integer>("version", field::Range{.min = 1});
    if (items != nullptr) ++*items;
  });
  return fields.valid() ? "" : errors_of(fields);
}

TEST(RequiredMaps, ErrorsAreKeyedByIndexThenField) {
  const auto item = [](Writer& w, std::int64_t version) {
    w.map(2);
    w.str("id");
    w.uuid({});
    w.str("version");
    w.integer(version);
  };
  int items = 0;
  const auto errors = errors_of_batch(
      [&](Writer& w) {
        w.array(4);
        item(w, 1);
        item(w, 0);
        w.map(0);
        w.str("no map");
      },
      &items);
  EXPECT_EQ(errors, R"({"f": {1: {"version": ["Must be at least 1."]}, )"
                    R"(2: {"id": ["Missing data for required field."], )"
                    R"("version": ["Missing data for required field."]}, )"
                    R"(3: {"_schema": ["Not a valid mapping type."]}}})");
  EXPECT_EQ(items, 3);
  EXPECT_EQ(errors_of_batch([&](Writer& w) { w.array(1), item(w, 1); }), "");
  EXPECT_EQ(errors_of_batch(array), "");
  EXPECT_EQ(errors_of_batch(map), R"({"f": ["Not a valid list."]})");
  EXPECT_EQ(errors_of_batch(nil), R"({"f": ["Field may not be null."]})");
}

TEST(RequiredMaps, TellABoundedNumberOfErrors) {
  int items = 0;
  const auto errors = errors_of_batch(
      [](Writer& w) {
        w.array(5000);
        for (int i = 0; i < 5000; ++i) w.map(0);
      },
      &items);
  EXPECT_TRUE(errors.contains("999: "));
  EXPECT_FALSE(errors.contains("1000: "));
  EXPECT_EQ(items, 1000) << "and reads no further";
}

}  // namespace
}  // namespace parsec::protocol
