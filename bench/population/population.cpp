#include "bench/population/population.h"

#include <sodium.h>

namespace parsec::bench {

namespace {

unsigned char* octets(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* octets(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

}  // namespace

SigningKey SigningKey::from_seed(const std::array<std::byte, 32>& seed) {
  SigningKey key;
  crypto_sign_seed_keypair(octets(key.verify_key.data()), octets(key.secret.data()),
                           octets(seed.data()));
  return key;
}

DeviceNumber Population::device(std::uint64_t number) const {
  DeviceNumber found;
  found.organization = static_cast<std::uint32_t>(number % size_.organizations);
  number /= size_.organizations;
  found.user = static_cast<std::uint32_t>(number % size_.users);
  found.device = static_cast<std::uint32_t>(number / size_.users % size_.devices);
  return found;
}

std::string Population::organization_id(std::uint32_t organization) const {
  return name_ + "_" + std::to_string(organization);
}

std::array<std::byte, 32> Population::seed(const char* kind, std::uint32_t a, std::uint32_t b,
                                           std::uint32_t c) const {
  const std::string text = name_ + "/" + kind + "/" + std::to_string(a) + "/" + std::to_string(b) +
                           "/" + std::to_string(c);
  std::array<std::byte, 32> digest;
  crypto_generichash(octets(digest.data()), digest.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return digest;
}

SigningKey Population::root_key(std::uint32_t organization) const {
  return SigningKey::from_seed(seed("root", organization, 0, 0));
}

SigningKey Population::device_key(const DeviceNumber& device) const {
  return SigningKey::from_seed(seed("device", device.organization, device.user, device.device));
}

Uuid Population::realm_id(std::uint32_t organization, std::uint32_t realm) const {
  return Uuid::from(seed("realm", organization, realm, 0));
}

Uuid Population::vlob_id(std::uint32_t organization, std::uint32_t realm,
                         std::uint32_t vlob) const {
  return Uuid::from(seed("vlob", organization, realm, vlob));
}

Uuid Population::block_id(std::uint32_t organization, std::uint32_t realm,
                          std::uint32_t block) const {
  return Uuid::from(seed("block", organization, realm, block));
}

}  // namespace parsec::bench
