// Several calls of one function as one statement over arrays: PostgreSQL starts, plans and ends one
// statement instead of many.
//
// Each parameter becomes an array with an element for each call, in their order. Either all of the
// function's parameters, and then the statement gives one row for each call, in their order too; or
// the first ones, for what is done before the calls (locks taken in one order).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "db/driver/binary_format.h"
#include "db/driver/connection.h"
#include "db/driver/request.h"

namespace parsec::db {

struct SetStatement {
  /// Its parameters are arrays.
  Function function;
  /// Of the elements of each.
  std::span<const SqlType> types;
  /// Two calls that are equal in this parameter are not for one set; -1: any two are.
  int distinct = -1;
  /// Comes first in a transaction that holds a set, for all calls in it together.
  const SetStatement* before = nullptr;
};

/// In the status of a member: the set cannot say; it is to be called alone.
inline constexpr std::string_view call_alone = "call_alone";

/// The arrays of a set, in PostgreSQL's binary format. Memory is kept for the next one.
class SetParameters {
 public:
  void fill(const SetStatement& statement, std::span<const Request* const> calls);

  std::span<const char* const> values() const { return values_; }
  std::span<const int> lengths() const { return lengths_; }

 private:
  std::vector<char> bytes_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
};

/// One row of a set's result as the result of its call.
ResultPtr row_as_result(const ResultPtr& of_set, int row);

}  // namespace parsec::db
