// Who and what a measurement is about: organizations, users, devices, realms, vlobs, and their
// names and keys. All of it follows from the population's name and size, so that whoever knows
// those can speak for every device: a later run, or several generators at once.
//
// Keys: the seed of an Ed25519 key is BLAKE2b-256 (libsodium's generichash) of
// `<name>/<kind>/<number>/<number>/<number>`; so are the first 16 bytes of an identifier. Anybody
// who knows the name has the keys: never for organizations that hold something.
//
// Any thread; values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/types.h"
#include "protocol/types/certificates.h"

namespace parsec::bench {

struct SigningKey {
  protocol::VerifyKey verify_key;
  std::array<std::byte, 64> secret;  // libsodium's: seed ‖ verify key

  static SigningKey from_seed(const std::array<std::byte, 32>& seed);
};

struct PopulationSize {
  std::uint32_t organizations = 1;
  std::uint32_t users = 1;    // of each organization
  std::uint32_t devices = 1;  // of each user
  std::uint32_t realms = 1;   // of each organization; every user takes part in each
  std::uint32_t vlobs = 1;    // of each realm
  std::uint32_t blocks = 0;   // of each realm
};

/// One device of a population.
struct DeviceNumber {
  std::uint32_t organization = 0;
  std::uint32_t user = 0;
  std::uint32_t device = 0;
};

class Population {
 public:
  /// name: letters, digits, `-` and `_`, at most 20.
  Population(std::string name, const PopulationSize& size) : name_(std::move(name)), size_(size) {}

  const std::string& name() const { return name_; }
  const PopulationSize& size() const { return size_; }
  std::uint64_t devices() const {
    return std::uint64_t{size_.organizations} * size_.users * size_.devices;
  }
  /// Neighbouring numbers are of different organizations, so that the first few of them spread.
  DeviceNumber device(std::uint64_t number) const;

  std::string organization_id(std::uint32_t organization) const;
  static std::string user_id(std::uint32_t user) { return "u" + std::to_string(user); }
  static std::string device_id(const DeviceNumber& device) {
    return user_id(device.user) + "@d" + std::to_string(device.device);
  }
  SigningKey root_key(std::uint32_t organization) const;
  SigningKey device_key(const DeviceNumber& device) const;
  Uuid realm_id(std::uint32_t organization, std::uint32_t realm) const;
  Uuid vlob_id(std::uint32_t organization, std::uint32_t realm, std::uint32_t vlob) const;
  Uuid block_id(std::uint32_t organization, std::uint32_t realm, std::uint32_t block) const;

 private:
  std::array<std::byte, 32> seed(const char* kind, std::uint32_t a, std::uint32_t b,
                                 std::uint32_t c) const;

  std::string name_;
  PopulationSize size_;
};

}  // namespace parsec::bench
