// Jobs without a database: for tests of what orders them.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "db/workers/job.h"

namespace parsec::db::testing {

inline const Function made_read{"read", "", 0, Access::read};
inline const Function made_list{"list", "", 0, Access::list_read};
inline const Function made_heavy{"heavy", "", 0, Access::heavy_read};
inline const Function made_handshake{"handshake", "", 0, Access::handshake};
inline const Function made_write{"write", "", 0, Access::shared_write};
inline const Function made_solo{"solo", "", 0, Access::solo_write};

/// Makes jobs and owns their requests. `tag` of a request: its number, from 1.
class MadeJobs {
 public:
  Job make(const Function& function, engine::FlowKey flow, std::uint64_t route = 0,
           std::size_t bytes = 0) {
    Request& request = requests_.emplace_back();
    request.function = &function;
    request.flow = flow;
    request.route = route;
    request.tag = requests_.size();
    if (bytes > 0) request.text(std::string(bytes, 'b'));
    Job job;
    job.request = &request;
    job.sequence = requests_.size();
    return job;
  }

 private:
  std::deque<Request> requests_;
};

}  // namespace parsec::db::testing
