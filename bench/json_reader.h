// Members of a JSON object, read strictly: what is missing, of another type or unknown is an error
// that names its place, as in `machine.cores: must be above 0`. The first one is kept, and what is
// read after it is left as it was.
//
// A value; it and its children live no longer than the simdjson document and the failure. One
// thread.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parsec::bench {

class JsonReader {
 public:
  enum class Need : std::uint8_t { required, optional };

  /// Parses a whole document, which must be an object, and hands it to read(reader) -> value. The
  /// error is the first failure.
  template <class Read>
  static auto document(std::string_view json, Read&& read)
      -> std::expected<std::invoke_result_t<Read, JsonReader&>, std::string>;

  JsonReader(simdjson::dom::object members, std::string place, std::string& failure)
      : members_(members), place_(std::move(place)), failure_(&failure) {}

  /// All members must be of these.
  void only(std::span<const std::string_view> known);
  void only(std::initializer_list<std::string_view> known) {
    only(std::span{known.begin(), known.size()});
  }

  bool has(std::string_view key) const { return find(key).has_value(); }
  void text(std::string_view key, std::string& into, Need need = Need::required);
  void truth(std::string_view key, bool& into, Need need = Need::required);
  /// At least `least`, or above it with `above`.
  struct Range {
    double least = std::numeric_limits<double>::lowest();
    double most = std::numeric_limits<double>::max();
    bool above = false;
  };
  void number(std::string_view key, double& into, Range range, Need need = Need::required);
  template <class Number>
  void whole(std::string_view key, Number& into, Need need = Need::required, Number least = 0,
             Number most = std::numeric_limits<Number>::max()) {
    if (const auto found = whole_number(key, need, least, most)) {
      into = static_cast<Number>(*found);
    }
  }

  /// A member that is an object; nullopt if there is none.
  std::optional<JsonReader> object(std::string_view key, Need need = Need::required);
  /// each(reader) for every object of a list.
  template <class Each>
  void objects(std::string_view key, Each&& each, Need need = Need::required) {
    std::size_t index = 0;
    for (const auto& element : list(key, need)) {
      const std::string place = path(key) + "[" + std::to_string(index++) + "]";
      simdjson::dom::object members;
      if (element.get(members) != simdjson::SUCCESS) return fail_at(place, "must be an object");
      JsonReader reader{members, place, *failure_};
      each(reader);
    }
  }
  /// Empty if there is none: an array of simdjson's that was never read must not be looked at.
  std::vector<simdjson::dom::element> list(std::string_view key, Need need = Need::required);
  /// each(name) for every member.
  template <class Each>
  void names(Each&& each) const {
    for (const auto& field : members_) each(field.key);
  }

  /// The object as JSON again.
  std::string as_text() const { return simdjson::minify(members_); }
  std::string path(std::string_view key) const;
  void fail(std::string_view key, std::string_view what) { fail_at(path(key), what); }
  /// what begins with the path of a member of this object.
  void fail_here(const std::string& what) {
    if (failure_->empty()) *failure_ = path(what);
  }
  bool failed() const { return !failure_->empty(); }

 private:
  std::optional<simdjson::dom::element> find(std::string_view key) const;
  std::optional<simdjson::dom::element> find(std::string_view key, Need need);
  std::optional<std::uint64_t> whole_number(std::string_view key, Need need, std::uint64_t least,
                                            std::uint64_t most);
  void fail_at(const std::string& place, std::string_view what);

  simdjson::dom::object members_;
  std::string place_;
  std::string* failure_;
};

/// A file as a whole; the error is a sentence for the user.
std::expected<std::string, std::string> read_file(const std::string& path);

template <class Read>
auto JsonReader::document(std::string_view json, Read&& read)
    -> std::expected<std::invoke_result_t<Read, JsonReader&>, std::string> {
  using Error = std::unexpected<std::string>;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (const auto error = parser.parse(json.data(), json.size()).get(root); error != 0) {
    return Error{std::string{"not JSON: "} + simdjson::error_message(error)};
  }
  simdjson::dom::object members;
  if (root.get(members) != simdjson::SUCCESS) return Error{"must be an object"};
  std::string failure;
  JsonReader reader{members, {}, failure};
  auto value = read(reader);
  if (!failure.empty()) return Error{failure};
  return value;
}

}  // namespace parsec::bench
