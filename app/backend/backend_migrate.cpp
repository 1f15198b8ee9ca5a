#include "app/backend/backend_migrate.h"

#include <cstdio>
#include <string_view>

#include "db/driver/settings.h"
#include "db/schema/migrations.h"

namespace parsec::app {
namespace {

std::string_view text_of(db::MigrationResult::State state) {
  switch (state) {
    case db::MigrationResult::State::already_applied:
      return "already applied";
    case db::MigrationResult::State::applied:
      return "applied";
    case db::MigrationResult::State::would_apply:
      return "would be applied";
    case db::MigrationResult::State::failed:
      return "failed";
  }
  return {};
}

}  // namespace

int migrate_backend(const MigrateCommand& command) {
  db::Settings settings;
  settings.target = command.database;
  const db::MigrationReport report = db::migrate(settings, {.dry_run = command.dry_run});
  for (const db::MigrationResult& migration : report.migrations) {
    const std::string_view state = text_of(migration.state);
    std::printf("%04d %s: %.*s%s%s\n", migration.number, migration.name.c_str(),
                static_cast<int>(state.size()), state.data(), migration.message.empty() ? "" : ": ",
                migration.message.c_str());
  }
  for (const db::SequenceRepair& sequence : report.sequences) {
    std::printf("sequence %s: behind its table (next %lld, newest row %lld): %s\n",
                sequence.name.c_str(), static_cast<long long>(sequence.next),
                static_cast<long long>(sequence.taken),
                sequence.repaired ? "repaired" : "would be repaired");
  }
  for (const std::string& schema : report.unused_functions) {
    std::printf("functions in %s: used by no server: %s\n", schema.c_str(),
                command.dry_run ? "would be removed" : "removed");
  }
  if (!report.error.empty()) std::fprintf(stderr, "Error: %s\n", report.error.c_str());
  return report.ok() ? 0 : 1;
}

}  // namespace parsec::app
