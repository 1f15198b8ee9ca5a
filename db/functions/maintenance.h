// Typed calls of db/schema/sql/functions/maintenance.sql: each sets function, route and parameters
// of a Request.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "db/driver/request.h"
#include "db/functions/author.h"

namespace parsec::db::functions {

extern const Function realm_start_reencryption_maintenance_function;
extern const Function realm_finish_reencryption_maintenance_function;
extern const Function vlob_maintenance_get_reencryption_batch_function;
extern const Function vlob_maintenance_save_reencryption_batch_function;

/// One entry each per participant, in one order; user IDs are distinct. A message_notification is
/// message.received without its index.
struct ParticipantMessages {
  std::span<const std::string_view> recipients;
  std::span<const Bytes> messages;
  std::span<const Bytes> message_notifications;
};

/// status: realm_not_found, in_maintenance, bad_encryption_revision, not_allowed,
/// participants_mismatch. notification: realm.maintenance_started.
void realm_start_reencryption_maintenance(Request& call, Author author, const Uuid& realm_id,
                                          std::int64_t encryption_revision, DateTime started_on,
                                          const ParticipantMessages& participants,
                                          Bytes notification);

/// status: realm_not_found, not_allowed, not_in_maintenance, bad_encryption_revision,
/// maintenance_error. notification: realm.maintenance_finished.
void realm_finish_reencryption_maintenance(Request& call, Author author, const Uuid& realm_id,
                                           std::int64_t encryption_revision, Bytes notification);

struct ReencryptionBatchColumns {  // rows 1…
  static constexpr int vlob_id = 1;
  static constexpr int version = 2;
  static constexpr int blob = 3;
};
/// Up to size versions, of more than max_bytes those that fit. status: realm_not_found,
/// not_in_maintenance, bad_encryption_revision, not_allowed.
void vlob_maintenance_get_reencryption_batch(Request& call, Author author, const Uuid& realm_id,
                                             std::int64_t encryption_revision, std::int64_t size,
                                             std::size_t max_bytes);

/// One entry each per version, in one order.
struct ReencryptedVersions {
  std::span<const Uuid> vlob_ids;
  std::span<const std::int64_t> versions;
  std::span<const Bytes> blobs;
};
struct ReencryptionProgressColumns {
  static constexpr int total = 1;
  static constexpr int done = 2;
};
/// status: as of the batch.
void vlob_maintenance_save_reencryption_batch(Request& call, Author author, const Uuid& realm_id,
                                              std::int64_t encryption_revision,
                                              const ReencryptedVersions& saved);

}  // namespace parsec::db::functions
