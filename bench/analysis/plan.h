// What a deployment needs, from its description and from what requests and connections cost where
// they were measured: everything is rate times cost, in the busiest hour. Nothing is known of how
// several machines share work; what is far from what was measured is said in the notes.
//
// Pure functions.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "bench/analysis/cost.h"
#include "bench/analysis/deployment.h"

namespace parsec::bench {

struct Plan {
  Deployment deployment;

  struct Activity {
    std::string name;
    double per_second = 0;  // in the busiest hour
    double server_cores = 0;
    double postgresql_cores = 0;
    double wal_bytes_per_day = 0;
    double growth_bytes_per_day = 0;
  };
  std::vector<Activity> activities;

  // In the busiest hour, with the processors as busy as the description allows.
  double requests_per_second = 0;
  double server_cores = 0;
  double postgresql_cores = 0;
  double received_bits_per_second = 0;  // by the server, from clients
  double sent_bits_per_second = 0;      // to clients
  double replication_bits_per_second = 0;
  double syncs_per_second = 0;  // of the WAL, with as many commits in one as were measured

  double server_memory_bytes = 0;
  double postgresql_memory_bytes = 0;
  double wal_bytes_per_day = 0;
  double growth_bytes_per_day = 0;
  /// Of one PostgreSQL server, at the end of the retention: data and kept WAL.
  double disk_bytes = 0;

  /// Tables whose 32-bit ids are used up one day, the first one first.
  struct Ids {
    std::string table;
    double per_day = 0;
    double days() const { return most_id / per_day; }
    static constexpr double most_id = 2147483647;  // of PostgreSQL's serial
  };
  std::vector<Ids> ids;

  /// What is needed against what is there.
  struct Resource {
    std::string name;
    double needed = 0;
    double available = 0;
    std::string unit;
    /// How many such deployments it carries.
    double margin() const { return available / needed; }
  };
  std::vector<Resource> resources;  // scarcest first; those that are needed at all
  bool measured_machine = false;    // that is compared with, as the description names none

  std::vector<std::string> notes;

  /// The scarcest; nullptr: nothing is known of what is there.
  const Resource* limit() const { return resources.empty() ? nullptr : &resources.front(); }
};

/// The error names what was not measured.
std::expected<Plan, std::string> make_plan(const Deployment& deployment, const Costs& costs);

}  // namespace parsec::bench
