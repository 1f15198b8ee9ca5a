// See block_store_postgresql.h.
#include "db/blocks/block_store_postgresql.h"

#include <cassert>
#include <utility>

#include "db/functions/block.h"
#include "engine/host/log.h"

namespace parsec::db {

PostgresqlBlockStore::~PostgresqlBlockStore() {
  for (auto* job : under_way_) {
    if (job != nullptr) BlockStore::release(job);  // its request is the gateway's
  }
  for (auto* job : completed_) release(job);
}

void PostgresqlBlockStore::release(BlockJob* job) {
  if (job->request != nullptr) gateway_.release(std::exchange(job->request, nullptr));
  BlockStore::release(job);
}

bool PostgresqlBlockStore::submit(BlockJob* job) {
  if (job->request == nullptr) {  // else: refused before, and complete
    job->request = gateway_.acquire();
    job->request->flow = job->flow;
    if (job->kind == BlockJob::Kind::create) {
      functions::block_data_create(*job->request, job->organization_id, job->block_id, job->data);
      job->data = {};
    } else {
      functions::block_data_read(*job->request, job->organization_id, job->block_id);
    }
  }
  if (free_places_.empty()) {
    free_places_.push_back(under_way_.size());
    under_way_.push_back(nullptr);
  }
  const auto place = free_places_.back();
  job->request->tag = place;
  if (!gateway_.submit(job->request)) return false;
  job->request = nullptr;  // the gateway's until take_reply()
  free_places_.pop_back();
  under_way_[place] = job;
  return true;
}

bool PostgresqlBlockStore::take_reply(Request* request) {
  if (request->function != &functions::block_data_create_function &&
      request->function != &functions::block_data_read_function) {
    return false;
  }
  assert(request->tag < under_way_.size());
  auto* job = std::exchange(under_way_[request->tag], nullptr);
  assert(job != nullptr);
  free_places_.push_back(request->tag);
  job->request = request;
  completed_.push_back(job);

  if (request->outcome != Outcome::ok || request->rows().count() == 0) {
    log::error("Database function failed", "block store: {} failed in the database ({} {})",
               log::field("function", request->function->name),
               log::field("reason", name(request->outcome)),
               log::field("sqlstate", request->sqlstate));
    job->outcome = BlockOutcome::timeout;
  } else if (request->rows().status() != "ok") {
    job->outcome = BlockOutcome::not_found;
  } else {
    job->outcome = BlockOutcome::ok;
    if (job->kind == BlockJob::Kind::read) {
      job->found = request->rows().bytes(0, functions::BlockDataColumns::data);
    }
  }
  return true;
}

BlockJob* PostgresqlBlockStore::next_completion() {
  if (completed_.empty()) return nullptr;
  auto* job = completed_.front();
  completed_.pop_front();
  return job;
}

}  // namespace parsec::db
