// Requests that wait for the same lock take the same way: Request::route is a hash of what a
// function locks first, the same in every server.
//
// Why it matters: shared writes of one batch hold the locks of several realms until the commit. A
// worker sorts each batch by route, so every transaction locks realms in one order, on whichever
// connection or server it runs, and no two can wait for each other. Functions that lock more than
// a realm are Access::solo_write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/queues/fair_order.h"
#include "engine/types.h"

namespace parsec::db::functions {

namespace detail {
// FNV-1a, 64 bits (RFC draft-eastlake-fnv), and the finalizer of MurmurHash3, so that all bits
// are good for choosing a connection.
constexpr std::uint64_t fnv_basis = 0xcbf29ce484222325;
inline std::uint64_t fnv(std::uint64_t hash, Bytes bytes) {
  for (const auto byte : bytes) {
    hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  }
  return hash;
}
constexpr std::uint64_t finalized(std::uint64_t hash) {
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
  return hash ^ hash >> 33;
}
}  // namespace detail

inline std::uint64_t route_of(std::string_view organization_id) {
  return detail::finalized(detail::fnv(detail::fnv_basis, as_bytes(organization_id)));
}
inline std::uint64_t route_of(std::string_view organization_id, const Uuid& realm_id) {
  const auto organization = detail::fnv(detail::fnv_basis, as_bytes(organization_id));
  return detail::finalized(detail::fnv(organization, realm_id.bytes));
}

/// Whose work something is: what queues is shared out fairly between organizations first, then
/// between the users of one.
inline engine::FlowKey flow_of(std::string_view organization_id, std::string_view user_id) {
  return {route_of(organization_id), route_of(user_id)};
}

}  // namespace parsec::db::functions
