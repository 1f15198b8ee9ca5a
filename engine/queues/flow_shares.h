// How much of a bounded room each organization takes, so that none fills it alone.
//
// An organization may take as much as is still free (dynamic threshold: Choudhury, Hahne, IEEE/ACM
// Transactions on Networking 1998): one alone gets half of the room, two a third each, and who
// comes next always finds something. Counted in a count-min sketch (Cormode, Muthukrishnan 2005) of
// fixed size: too much only for an organization that shares both of its counters with busy ones.
// One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace parsec::engine {

class FlowShares {
 public:
  struct Amount {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
  };

  /// Whether one more request fits. What has nothing there yet always does, as far as this is
  /// concerned.
  bool admits(std::uint64_t organization, std::uint64_t bytes, const Amount& free) const {
    const Amount taken = taken_by(organization);
    if (taken.requests == 0) return true;
    return taken.requests < free.requests && taken.bytes + bytes <= free.bytes;
  }
  void add(std::uint64_t organization, std::uint64_t bytes) {
    for (Amount* counter : counters_of(organization)) {
      ++counter->requests;
      counter->bytes += bytes;
    }
  }
  void remove(std::uint64_t organization, std::uint64_t bytes) {
    for (Amount* counter : counters_of(organization)) {
      --counter->requests;
      counter->bytes -= bytes;
    }
  }
  Amount taken_by(std::uint64_t organization) const {
    const Amount& a = first_[organization % size];
    const Amount& b = second_[organization / size % size];
    return {a.requests < b.requests ? a.requests : b.requests,
            a.bytes < b.bytes ? a.bytes : b.bytes};
  }

 private:
  static constexpr std::size_t size = 1024;
  std::array<Amount*, 2> counters_of(std::uint64_t organization) {
    return {&first_[organization % size], &second_[organization / size % size]};
  }

  std::array<Amount, size> first_{};
  std::array<Amount, size> second_{};
};

}  // namespace parsec::engine
