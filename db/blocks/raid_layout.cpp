#include "db/blocks/raid_layout.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <functional>

namespace parsec::db {

namespace {

constexpr std::size_t length_size = 4;  // big endian, before the block

void add(std::vector<std::byte>& sum, Bytes bytes) {
  assert(sum.size() == bytes.size());
  std::transform(sum.begin(), sum.end(), bytes.begin(), sum.begin(), std::bit_xor<std::byte>{});
}

}  // namespace

std::size_t raid0_node(const Uuid& block_id, std::size_t nodes) {
  // Long division of the 128-bit number, octet by octet.
  std::uint64_t rest = 0;
  for (const auto octet : block_id.bytes) {
    rest = (rest << 8 | std::to_integer<std::uint64_t>(octet)) % nodes;
  }
  return rest;
}

std::vector<std::vector<std::byte>> raid5_chunks(Bytes block, std::size_t nodes) {
  assert(nodes >= 3);
  const std::size_t data_nodes = nodes - 1;
  const std::size_t size = (length_size + block.size() + data_nodes - 1) / data_nodes;
  std::vector<std::byte> payload(size * data_nodes);
  for (std::size_t i = 0; i < length_size; ++i) {
    payload[i] = static_cast<std::byte>(block.size() >> 8 * (length_size - 1 - i) & 0xFF);
  }
  std::ranges::copy(block, payload.begin() + length_size);

  std::vector<std::vector<std::byte>> chunks;
  std::vector<std::byte> checksum(size);
  for (std::size_t i = 0; i < data_nodes; ++i) {
    const auto chunk = Bytes{payload}.subspan(i * size, size);
    chunks.emplace_back(chunk.begin(), chunk.end());
    add(checksum, chunk);
  }
  chunks.push_back(std::move(checksum));
  return chunks;
}

std::optional<std::vector<std::byte>> raid5_block(
    std::span<const std::optional<std::vector<std::byte>>> chunks) {
  assert(chunks.size() >= 3);
  std::optional<std::size_t> missing;
  std::optional<std::size_t> size;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (!chunks[i]) {
      assert(!missing);
      missing = i;
    } else if (size.value_or(chunks[i]->size()) != chunks[i]->size()) {
      return std::nullopt;
    } else {
      size = chunks[i]->size();
    }
  }
  std::vector<std::byte> payload;
  for (std::size_t i = 0; i + 1 < chunks.size(); ++i) {
    if (chunks[i]) {
      payload.insert(payload.end(), chunks[i]->begin(), chunks[i]->end());
      continue;
    }
    std::vector<std::byte> rebuilt(*size);
    for (const auto& chunk : chunks) {
      if (chunk) add(rebuilt, *chunk);
    }
    payload.insert(payload.end(), rebuilt.begin(), rebuilt.end());
  }
  if (payload.size() < length_size) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_size; ++i) {
    length = length << 8 | std::to_integer<std::size_t>(payload[i]);
  }
  if (length > payload.size() - length_size) return std::nullopt;
  payload.erase(payload.begin(), payload.begin() + length_size);
  payload.resize(length);
  return payload;
}

}  // namespace parsec::db
