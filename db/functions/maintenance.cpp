// See maintenance.h. The order of parameters is that of db/schema/sql/functions/maintenance.sql.
#include "db/functions/maintenance.h"

#include "db/functions/route.h"

namespace parsec::db::functions {

// Locks a realm, then all its users: never while other realms are held.
const Function realm_start_reencryption_maintenance_function{
    .name = "realm_start_reencryption_maintenance",
    .sql =
        "SELECT * FROM parsec_functions.realm_start_reencryption_maintenance("
        "$1,$2,$3,$4,$5,$6,$7,$8,$9)",
    .parameter_count = 9,
    .access = Access::solo_write,
};

void realm_start_reencryption_maintenance(Request& call, Author author, const Uuid& realm_id,
                                          std::int64_t encryption_revision, DateTime started_on,
                                          const ParticipantMessages& participants,
                                          Bytes notification) {
  call.function = &realm_start_reencryption_maintenance_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(realm_id)
      .int8(encryption_revision)
      .datetime(started_on)
      .text_array(participants.recipients)
      .bytes_array(participants.messages)
      .bytes(notification)
      .bytes_array(participants.message_notifications);
}

const Function realm_finish_reencryption_maintenance_function{
    .name = "realm_finish_reencryption_maintenance",
    .sql = "SELECT * FROM parsec_functions.realm_finish_reencryption_maintenance($1,$2,$3,$4,$5)",
    .parameter_count = 5,
    .access = Access::solo_write,
};

void realm_finish_reencryption_maintenance(Request& call, Author author, const Uuid& realm_id,
                                           std::int64_t encryption_revision, Bytes notification) {
  call.function = &realm_finish_reencryption_maintenance_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(realm_id)
      .int8(encryption_revision)
      .bytes(notification);
}

// Up to a thousand blobs.
const Function vlob_maintenance_get_reencryption_batch_function{
    .name = "vlob_maintenance_get_reencryption_batch",
    .sql =
        "SELECT * FROM parsec_functions.vlob_maintenance_get_reencryption_batch($1,$2,$3,$4,$5,$6)",
    .parameter_count = 6,
    .access = Access::heavy_read,
};

void vlob_maintenance_get_reencryption_batch(Request& call, Author author, const Uuid& realm_id,
                                             std::int64_t encryption_revision, std::int64_t size,
                                             std::size_t max_bytes) {
  call.function = &vlob_maintenance_get_reencryption_batch_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(realm_id)
      .int8(encryption_revision)
      .int8(size)
      .int8(static_cast<std::int64_t>(max_bytes));
}

// One realm's lock only, but up to a thousand rows: nobody's commit should wait for those.
const Function vlob_maintenance_save_reencryption_batch_function{
    .name = "vlob_maintenance_save_reencryption_batch",
    .sql =
        "SELECT * FROM "
        "parsec_functions.vlob_maintenance_save_reencryption_batch($1,$2,$3,$4,$5,$6,$7)",
    .parameter_count = 7,
    .access = Access::solo_write,
};

void vlob_maintenance_save_reencryption_batch(Request& call, Author author, const Uuid& realm_id,
                                              std::int64_t encryption_revision,
                                              const ReencryptedVersions& saved) {
  call.function = &vlob_maintenance_save_reencryption_batch_function;
  call.route = route_of(author.organization_id, realm_id);
  call.text(author.organization_id)
      .text(author.device_id)
      .uuid(realm_id)
      .int8(encryption_revision)
      .uuid_array(saved.vlob_ids)
      .int8_array(saved.versions)
      .bytes_array(saved.blobs);
}

}  // namespace parsec::db::functions
