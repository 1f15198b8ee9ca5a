// The requests of the protocol that the suite sends (protocol/4-commands.md), as msgpack. Any
// thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "bench/population/certificates.h"
#include "engine/types.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/msgpack/msgpack_writer.h"

namespace parsec::bench::requests {

void ping(msgpack::Writer& out, std::string_view text);
void organization_create(msgpack::Writer& out, std::string_view organization_id);
/// The organization's first user, an ADMIN, with its first device.
void organization_bootstrap(msgpack::Writer& out, const Population& population,
                            std::uint32_t organization, std::string_view token);
/// By the first device of the organization, as the next two.
void user_create(msgpack::Writer& out, const Population& population, std::uint32_t organization,
                 std::uint32_t user);
void realm_create(msgpack::Writer& out, const Population& population, std::uint32_t organization,
                  std::uint32_t realm);
void realm_share(msgpack::Writer& out, const Population& population, std::uint32_t organization,
                 std::uint32_t realm, std::uint32_t user);
/// By the user's first device.
void device_create(msgpack::Writer& out, const Population& population, const DeviceNumber& device);

/// A realm that is no part of the population, of that device's user alone.
void own_realm_create(msgpack::Writer& out, const Population& population,
                      const DeviceNumber& device, const Uuid& realm_id);
/// Re-encryption by the only participant.
void reencryption_start(msgpack::Writer& out, const Uuid& realm_id, std::int64_t revision,
                        std::string_view user_id);
void reencryption_get_batch(msgpack::Writer& out, const Uuid& realm_id, std::int64_t revision,
                            std::uint32_t size);
/// batch: as it was got; what a client would encrypt anew stays as it is.
void reencryption_save_batch(msgpack::Writer& out, const Uuid& realm_id, std::int64_t revision,
                             const msgpack::Value& batch);
void reencryption_finish(msgpack::Writer& out, const Uuid& realm_id, std::int64_t revision);

void vlob_create(msgpack::Writer& out, const Uuid& realm_id, const Uuid& vlob_id, Bytes blob);
void vlob_update(msgpack::Writer& out, const Uuid& vlob_id, std::int64_t version, Bytes blob);
void vlob_read(msgpack::Writer& out, const Uuid& vlob_id);
void vlob_poll_changes(msgpack::Writer& out, const Uuid& realm_id, std::int64_t last_checkpoint);
void block_create(msgpack::Writer& out, const Uuid& realm_id, const Uuid& block_id, Bytes block);
void block_read(msgpack::Writer& out, const Uuid& block_id);
void user_get(msgpack::Writer& out, std::string_view user_id);
void human_find(msgpack::Writer& out, std::string_view query);
void realm_stats(msgpack::Writer& out, const Uuid& realm_id);
void message_get(msgpack::Writer& out, std::int64_t offset);
void events_subscribe(msgpack::Writer& out);
void events_listen(msgpack::Writer& out);

}  // namespace parsec::bench::requests
