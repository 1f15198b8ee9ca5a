// What calls cost lately: measured, by function and organization.
//
// A table of fixed size in which a newer pair displaces an older one; who is not in it costs what
// the function costs in general. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "db/workers/job.h"

namespace parsec::db {

class CostEstimator {
 public:
  /// Microseconds of a database connection.
  float cost_of(const Request& request) const;
  /// Of its result.
  std::size_t result_bytes_of(const Request& request) const;

  /// A segment was executed: what it took is divided among its jobs by what each was expected to
  /// cost and the bytes it carried.
  void note(std::span<const Job> segment, float microseconds);

  /// At least so much, until it is measured again.
  void suspect(const Request& request, float microseconds);

 private:
  struct Entry {
    std::uint64_t key = 0;
    float microseconds = 0;
    float result_bytes = 0;
  };
  static constexpr std::size_t size = 4096;  // a power of two
  static std::uint64_t key_of(const Function* function, std::uint64_t organization);
  Entry& entry_for(const Request& request);
  Entry general_of(const Function* function) const;
  Entry known_of(const Request& request) const;
  void learn(const Job& job, float microseconds);

  std::array<Entry, size> entries_{};
  std::vector<float> weights_;  // of the segment that is noted
};

}  // namespace parsec::db
