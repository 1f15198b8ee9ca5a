// The description of a deployment that is planned: who it has and what they do. JSON; what is not
// known there is an error with its path. bench/deployments/ has examples.
//
// A value.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace parsec::bench {

/// A machine, or what is set aside of it. 0: not known, not compared.
struct Machine {
  double server_cores = 0;
  double postgresql_cores = 0;
  double memory_gib = 0;
  double disk_gib = 0;
  double network_mbit_per_second = 0;
};

struct Deployment {
  std::string name;
  std::uint32_t organizations = 1;
  std::uint32_t users_per_organization = 1;
  std::uint32_t devices_per_user = 1;
  /// Only to see whether the measured population was like it.
  std::uint32_t realms_per_organization = 1;
  /// Part of the devices that are connected in the busiest hour.
  double connected_share = 1;
  /// The busiest hour against the mean of the active ones.
  double peak_factor = 3;
  double active_hours_per_day = 8;
  /// By name of a measured scenario or command: in an active hour, of each connected device.
  std::map<std::string, double> per_device_and_hour;
  /// Payload of stored blobs and blocks, where it is not as measured.
  std::map<std::string, double> payload_bytes;
  double retention_days = 365;
  /// How many days' growth is read all the time, and belongs into memory.
  double hot_days = 7;
  /// WAL kept for standbys and backups.
  double wal_kept_days = 1;
  std::uint32_t replicas = 0;  // PostgreSQL standbys
  /// How busy processors may be in the busiest hour, 0..1.
  double utilization = 0.6;
  /// Memory of a connection, instead of what was measured.
  std::optional<double> bytes_per_connection;
  std::optional<Machine> machine;

  double devices() const {
    return double{1} * organizations * users_per_organization * devices_per_user;
  }
  double connected() const { return devices() * connected_share; }

  static std::expected<Deployment, std::string> parse(std::string_view json);
};

}  // namespace parsec::bench
