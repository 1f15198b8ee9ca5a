// The block store SWIFT: objects `<organization>/<block uuid>` of a container of OpenStack Swift,
// with a token of its authentication v1.
//
// Each shard has a token of its own: it is asked for when the first operation needs it, kept, and
// renewed when the service refuses it. Operations that need one wait for it meanwhile; there is
// never more than one request for a token under way.
//
// Shard thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db/blocks/block_store_config.h"
#include "db/blocks/block_store_http.h"

namespace parsec::db {

class SwiftBlockStore final : public HttpBlockStore {
 public:
  SwiftBlockStore(const BlockStoreConfig::Swift& config, ObjectStorage& storage,
                  std::uint32_t channel)
      : HttpBlockStore(storage, channel), config_(config) {}

 private:
  void begin(Place place) override;
  void on_answer(Place place, const Request& request) override;
  void on_own_answer(const Request& request) override;
  void ask_for_token();
  void on_refused(Place place, const Request& request);
  void fail_waiting(const std::string& why, bool may_pass = false);

  const BlockStoreConfig::Swift config_;
  std::string token_;  // empty: none
  std::string storage_url_;
  std::uint64_t token_number_ = 0;  // how many there were
  bool asking_ = false;
  std::vector<Place> waiting_;  // for a token
};

}  // namespace parsec::db
