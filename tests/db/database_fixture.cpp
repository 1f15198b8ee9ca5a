#include "tests/db/database_fixture.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <span>
#include <thread>

#include "db/driver/call_set.h"

namespace parsec::db {

using namespace std::chrono_literals;

const Function add_shared{"add_shared", "SELECT * FROM parsec_functions.add_log($1, $2)", 2,
                          Access::shared_write};
const Function add_solo{"add_solo", "SELECT * FROM parsec_functions.add_log($1, $2)", 2,
                        Access::solo_write};
const Function log_size{"log_size", "SELECT count(*) FROM public.log", 0, Access::read};
const Function fail_if{"fail_if", "SELECT * FROM parsec_functions.fail_if($1, $2)", 2,
                       Access::shared_write};
namespace {

constexpr std::array key_and_note{SqlType::int8, SqlType::text};
const SetStatement set_locks{
    .function = {"set_locks", "SELECT * FROM parsec_functions.set_locks($1, $2)", 2,
                 Access::shared_write},
    .types = key_and_note};
const SetStatement add_log_set{
    .function = {"add_log_set", "SELECT * FROM parsec_functions.add_log_set($1, $2)", 2,
                 Access::shared_write},
    .types = key_and_note,
    .distinct = 0,
    .before = &set_locks};
const SetStatement double_set{
    .function = {"double_set",
                 "SELECT CASE key WHEN 13 THEN 'call_alone' ELSE (2 * key)::text END"
                 " FROM unnest($1::bigint[]) WITH ORDINALITY AS c (key, n) ORDER BY n",
                 1, Access::read},
    .types = std::span{key_and_note}.first<1>()};

}  // namespace

const Function set_add{"set_add", "SELECT parsec_functions.set_add($1, $2)", 2,
                       Access::shared_write, &add_log_set};
const Function set_double{"set_double", "SELECT (2 * $1::bigint)::text", 1, Access::read,
                          &double_set};
const Function notify_note{"notify_note", "SELECT pg_notify('app_notification', $1)::text", 1,
                           Access::shared_write};
const Function echo{
    "echo",
    "SELECT concat_ws('|', $1::text, encode($2::bytea, 'hex'), $3::boolean, $4::int, $5::bigint,"
    " $6::uuid, $7::timestamptz, $8::text[], $9::bytea[], $10::uuid[], $11::bigint[],"
    " coalesce($12::text, 'none'), cardinality($13::text[]))",
    13, Access::read};

void fill_log(Request& request, std::int64_t key, std::string_view note) {
  request.int8(key).text(note);
}

std::string database_with_log() {
  // Most tests provoke what is logged; the driver's counters say whether it happened.
  spdlog::set_level(spdlog::level::off);
  static const bool made = [] {
    testing::fresh_database();  // which migrates the template
    auto admin = testing::open_connection(testing::private_cluster().conninfo("postgres"));
    testing::run_sql(admin, "CREATE DATABASE log_template TEMPLATE parsec");
    auto connection = testing::open_connection(testing::private_cluster().conninfo("log_template"));
    testing::run_sql(
        connection,
        "CREATE TABLE public.log (_id serial PRIMARY KEY, key bigint, note text);"
        "CREATE FUNCTION parsec_functions.add_log(key bigint, note text) RETURNS int"
        " LANGUAGE sql AS"
        " 'INSERT INTO public.log (key, note) VALUES ($1, $2) RETURNING _id';"
        "CREATE FUNCTION parsec_functions.fail_if(key bigint, note text) RETURNS int"
        " LANGUAGE plpgsql AS $$ BEGIN"
        "  IF note = 'x' THEN RAISE EXCEPTION 'it is x' USING ERRCODE = 'P0042'; END IF;"
        "  RETURN parsec_functions.add_log(key, note);"
        " END $$;"
        "CREATE FUNCTION parsec_functions.set_add(key bigint, note text) RETURNS text"
        " LANGUAGE plpgsql AS $$ BEGIN"
        "  IF note = 'x' THEN RAISE EXCEPTION 'it is x' USING ERRCODE = 'P0042'; END IF;"
        "  PERFORM pg_advisory_xact_lock(key);"
        "  PERFORM parsec_functions.add_log(key, note);"
        "  RETURN 'ok';"
        " END $$;"
        "CREATE FUNCTION parsec_functions.set_locks(keys bigint[], notes text[]) RETURNS text"
        " LANGUAGE plpgsql AS $$ BEGIN"
        "  PERFORM pg_advisory_xact_lock(key) FROM unnest(keys) AS key;"
        "  RETURN 'ok';"
        " END $$;"
        "CREATE FUNCTION parsec_functions.add_log_set(keys bigint[], notes text[])"
        " RETURNS TABLE (status text)"
        " LANGUAGE plpgsql AS $$ BEGIN"
        "  IF 'x' = ANY (notes) THEN RAISE EXCEPTION 'x is in it' USING ERRCODE = 'P0042'; END IF;"
        "  INSERT INTO public.log (key, note)"
        "  SELECT key, 'set' FROM unnest(keys, notes) AS c (key, note) WHERE note <> 'alone';"
        "  RETURN QUERY SELECT CASE note WHEN 'alone' THEN 'call_alone' ELSE 'ok' END"
        "  FROM unnest(keys, notes) WITH ORDINALITY AS c (key, note, n) ORDER BY n;"
        " END $$");
    return true;
  }();
  static_cast<void>(made);
  return testing::copy_of_database("log_template");
}

bool RecordingSink::has(std::string_view what) const { return count(what) > 0; }

std::size_t RecordingSink::count(std::string_view what) const {
  const std::lock_guard lock{mutex_};
  return static_cast<std::size_t>(std::ranges::count(heard_, what));
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

Settings test_settings(const std::string& conninfo) {
  Settings settings;
  settings.target = {Target::Kind::server, conninfo};
  settings.lane.unavailable_after = 500ms;
  settings.stop_grace = 1000ms;
  return settings;
}

TestDatabase::TestDatabase(const Settings& settings) {
  auto started = Database::start(settings, sink);
  if (!started) {
    ADD_FAILURE() << started.error();
    std::abort();
  }
  database = std::move(*started);
  database->set_waker(0, &waker);
}

std::uint64_t TestDatabase::submit(const Function& function, std::uint64_t route,
                                   const Fill& fill) {
  Gateway& gateway = database->gateway(0);
  Request* request = gateway.acquire();
  request->function = &function;
  request->route = route;
  request->tag = next_tag_++;
  if (fill) fill(*request);
  const std::uint64_t tag = request->tag;  // the request is the worker's once submitted
  while (!gateway.submit(request)) {
    gateway.flush();
    poll();
    std::this_thread::yield();
  }
  ++under_way;
  return tag;
}

void TestDatabase::poll() {
  Gateway& gateway = database->gateway(0);
  while (Request* request = gateway.next_reply()) {
    Reply reply{request->outcome, request->sqlstate, {}, 0};
    const Rows rows = request->rows();
    if (request->outcome == Outcome::ok && rows.count() > 0 && !rows.is_null(0, 0)) {
      reply.text = rows.text(0, 0);
      if (const auto size = reply.text.size(); size == 4 || size == 8) {
        reply.integer = rows.integer(0, 0);
      }
    }
    order.push_back(request->tag);
    replies[request->tag] = reply;
    gateway.release(request);
    --under_way;
  }
}

void TestDatabase::finish(std::chrono::milliseconds limit) {
  database->gateway(0).flush();
  EXPECT_TRUE(eventually(
      [this] {
        poll();
        return under_way == 0;
      },
      limit))
      << under_way << " requests were not answered\n"
      << database->dump();
}

TestDatabase::Reply TestDatabase::call(const Function& function, std::uint64_t route,
                                       const Fill& fill) {
  const std::uint64_t tag = submit(function, route, fill);
  finish();
  return replies[tag];
}

std::size_t TestDatabase::count(Outcome outcome) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      replies, [&](const auto& entry) { return entry.second.outcome == outcome; }));
}

std::uint64_t TestDatabase::counter(std::string_view name) const {
  std::uint64_t result = 0;
  database->visit_counters([&](std::string_view counter, std::uint64_t value) {
    if (counter == name) result = value;
  });
  return result;
}

}  // namespace parsec::db
