// What `--blockstore` says (db/storage.md §4): parsed and checked before anything starts.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/types.h"

namespace parsec::db {

struct BlockStoreConfig {
  struct Mocked {  // memory of this process
    bool operator==(const Mocked&) const = default;
  };
  struct Postgresql {  // table block_data of the database
    bool operator==(const Postgresql&) const = default;
  };
  struct S3 {
    std::string endpoint_url;  // empty: AWS
    std::string region;
    std::string bucket;
    std::string key;
    std::string secret;

    bool operator==(const S3&) const = default;
  };
  struct Swift {
    std::string auth_url;
    std::string tenant;
    std::string container;
    std::string user;
    std::string password;

    bool operator==(const Swift&) const = default;
  };
  using Node = std::variant<Mocked, Postgresql, S3, Swift>;

  enum class Raid : std::uint8_t { none, raid0, raid1, raid5 };

  Raid raid = Raid::none;
  std::vector<Node> nodes;  // in the order of their index; exactly one without RAID

  /// `S3`, `RAID5`, …: for logs and the line at start. Holds no secret.
  std::string_view type() const;
};

/// All values of `--blockstore` together. The error is the sentence of the contract.
std::expected<BlockStoreConfig, std::string> parse_block_store(
    std::span<const std::string_view> values);

}  // namespace parsec::db
