// Where the bytes of a block are in a RAID set (db/storage.md §4): the formulas, without any I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "engine/types.h"

namespace parsec::db {

/// RAID0: the node that has the block.
std::size_t raid0_node(const Uuid& block_id, std::size_t nodes);

/// RAID5: one chunk for each node, the checksum (XOR of the others) last.
std::vector<std::vector<std::byte>> raid5_chunks(Bytes block, std::size_t nodes);

/// The block of such chunks, of which at most one is missing. nullopt: they do not fit together.
std::optional<std::vector<std::byte>> raid5_block(
    std::span<const std::optional<std::vector<std::byte>>> chunks);

}  // namespace parsec::db
