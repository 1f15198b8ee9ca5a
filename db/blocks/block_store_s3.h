// The block store S3: objects `<organization>/<block uuid>` of a bucket, addressed as
// `<endpoint>/<bucket>/<object>` and signed with AWS Signature Version 4.
//
// Shard thread only.
#pragma once

#include <memory>
#include <string>

#include "db/blocks/block_store_config.h"
#include "db/blocks/block_store_http.h"

namespace parsec::db {

class S3BlockStore final : public HttpBlockStore {
 public:
  S3BlockStore(const BlockStoreConfig::S3& config, ObjectStorage& storage, std::uint32_t channel);

  /// Where the bucket is: the endpoint, or that of AWS, and the bucket.
  static std::string bucket_url(const BlockStoreConfig::S3& config);

 private:
  void begin(Place place) override;
  void on_answer(Place place, const Request& request) override;
  void on_created(Place place, const Request& request);
  void on_checked(Place place, const Request& request);
  void again(Place place, const Request& request);

  const std::string bucket_url_;
  const std::string bucket_;
  const engine::AwsSigning signing_;
  /// The service knows `If-None-Match: *`, which leaves a block that is there as it is. AWS does;
  /// one that does not writes the block anew, which is the same: clients never use an ID for two
  /// contents.
  bool conditional_ = true;
};

}  // namespace parsec::db
