// What PostgreSQL might answer: results of the types that a stored function promises in
// db/schema/sql/functions, with values and statuses from the input. Null is only what may be null.
#pragma once

#include <vector>

#include "db/driver/request.h"
#include "tests/fuzz/support/input.h"
#include "tests/support/scripted_database.h"

namespace parsec::testing {

std::vector<CellRow> made_rows(const db::Function& function, Input& input);

}  // namespace parsec::testing
