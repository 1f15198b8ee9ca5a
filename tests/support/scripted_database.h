// A database gateway that a test answers by hand: every submitted request waits until the test
// gives it rows, or an outcome. Fences are kept as well, until the test lets them pass.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "db/driver/gateway.h"

namespace parsec::testing {

/// A value of a result, in PostgreSQL's binary format; null by default.
struct Cell {
  bool null = true;
  std::string bytes;
};
inline Cell null_cell() { return {}; }
inline Cell text_cell(std::string_view text) { return {false, std::string{text}}; }
inline Cell bytes_cell(Bytes bytes) { return {false, std::string{as_text(bytes)}}; }
inline Cell bool_cell(bool value) { return {false, std::string(1, value ? '\1' : '\0')}; }
inline Cell int_cell(std::int64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return {false, bytes};
}
inline Cell uuid_cell(const Uuid& uuid) { return bytes_cell(uuid.bytes); }

using CellRow = std::vector<Cell>;

/// A result as libpq would give it. Rows may be shorter than the first: null is added.
inline pg_result* make_result(const std::vector<CellRow>& rows) {
  auto* result = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
  std::vector<std::string> names;
  std::vector<PGresAttDesc> columns(rows.empty() ? 1 : rows.front().size());
  for (std::size_t i = 0; i < columns.size(); ++i) names.push_back("c" + std::to_string(i));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns[i] = {};
    columns[i].name = names[i].data();
    columns[i].format = 1;
  }
  PQsetResultAttrs(result, static_cast<int>(columns.size()), columns.data());
  for (int row = 0; row < static_cast<int>(rows.size()); ++row) {
    for (int column = 0; column < static_cast<int>(columns.size()); ++column) {
      const auto& cells = rows[static_cast<std::size_t>(row)];
      const auto index = static_cast<std::size_t>(column);
      Cell cell = index < cells.size() ? cells[index] : Cell{};
      PQsetvalue(result, row, column, cell.null ? nullptr : cell.bytes.data(),
                 cell.null ? -1 : static_cast<int>(cell.bytes.size()));
    }
  }
  return result;
}

class ScriptedDatabase final : public db::Gateway {
 public:
  ~ScriptedDatabase() override {
    for (auto* request : submitted) delete request;
    for (auto* request : replies_) delete request;
  }

  db::Request* acquire() override {
    ++acquired;
    return new db::Request;
  }
  void release(db::Request* request) override {
    --acquired;
    delete request;
  }
  bool submit(db::Request* request) override {
    if (full) return false;
    submitted.push_back(request);
    return true;
  }
  db::Request* next_reply() override {
    if (replies_.empty()) return nullptr;
    auto* reply = replies_.front();
    replies_.pop_front();
    return reply;
  }
  void request_fence(std::uint64_t token) override { fences.push_back(token); }
  void flush() override {}
  bool has_replies() const override { return !replies_.empty(); }

  /// Answers the oldest submitted request; the service must take its turn afterwards.
  void answer(const std::vector<CellRow>& rows) {
    auto* request = take();
    request->outcome = db::Outcome::ok;
    request->result = make_result(rows);
    replies_.push_back(request);
  }
  void fail(db::Outcome outcome) {
    auto* request = take();
    request->outcome = outcome;
    replies_.push_back(request);
  }

  std::deque<db::Request*> submitted;
  std::vector<std::uint64_t> fences;
  int acquired = 0;  // requests that somebody holds: zero when nothing is under way
  bool full = false;

 private:
  db::Request* take() {
    auto* request = submitted.front();
    submitted.pop_front();
    return request;
  }
  std::deque<db::Request*> replies_;
};

}  // namespace parsec::testing
