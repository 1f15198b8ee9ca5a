#include "bench/load/conversation.h"

#include <cassert>
#include <cstring>
#include <string>

#include "bench/load/fan_out.h"
#include "bench/population/payload.h"
#include "bench/population/requests.h"

namespace parsec::bench {

namespace {

Uuid random_uuid(std::mt19937_64& random) {
  const std::array<std::uint64_t, 2> words{random(), random()};
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), words.data(), uuid.bytes.size());
  return uuid;
}

std::uint32_t below(std::mt19937_64& random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

}  // namespace

std::string_view status_of(const msgpack::Value& reply) {
  const auto status = reply.find("status");
  return status && status->kind() == msgpack::Kind::str ? status->str() : "no status";
}

Conversation::Conversation(const Population& population, const Scenario& scenario,
                           const DeviceNumber& device, std::uint32_t author,
                           std::mt19937_64& random)
    : population_(population),
      scenario_(scenario),
      device_(device),
      author_(author),
      random_(random),
      realm_id_(population.realm_id(device.organization, below(random, population.size().realms))) {
}

void Conversation::restart() {
  prepared_ = 0;
  own_vlob_ = FanOut::vlob_of(author_, random_);
  own_version_ = 0;
  own_blocks_.resize(scenario_.commands.size());
  for (Uuid& block : own_blocks_) block = random_uuid(random_);
  own_realm_ = random_uuid(random_);
  revision_ = 1;
}

bool Conversation::prepare(msgpack::Writer& out) {
  // The steps follow each other; which is next is told by how many messages there were.
  std::uint64_t step = prepared_++;
  const CommandShare* update = scenario_.share_of(Command::vlob_update);
  if (update == nullptr) update = scenario_.share_of(Command::fan_out);
  if (update != nullptr && step-- == 0) {
    own_version_ = 1;
    requests::vlob_create(out, realm_id_, own_vlob_, payload(update->bytes, random_()));
    return true;
  }
  for (std::size_t i = 0; i < own_blocks_.size(); ++i) {
    const CommandShare& share = scenario_.commands[i];
    if (share.command != Command::block_read || step-- != 0) continue;
    requests::block_create(out, realm_id_, own_blocks_[i], payload(share.bytes, random_()));
    return true;
  }
  const CommandShare* const reencryption = scenario_.share_of(Command::reencryption);
  if (reencryption == nullptr || step > reencryption->vlobs) return false;
  if (step == 0) {
    requests::own_realm_create(out, population_, device_, own_realm_);
  } else {
    requests::vlob_create(out, own_realm_, random_uuid(random_),
                          payload(reencryption->bytes, random_()));
  }
  return true;
}

void Conversation::begin(const CommandShare& share, msgpack::Writer& out) {
  const PopulationSize& size = population_.size();
  switch (share.command) {
    case Command::ping:
      return requests::ping(out, std::string(share.bytes, 'p'));
    case Command::vlob_create:
      return requests::vlob_create(out, realm_id_, random_uuid(random_),
                                   payload(share.bytes, random_()));
    case Command::vlob_read: {
      const auto realm = below(random_, size.realms);
      const auto vlob = below(random_, size.vlobs);
      return requests::vlob_read(out, population_.vlob_id(device_.organization, realm, vlob));
    }
    case Command::vlob_update:
    case Command::fan_out:
      return requests::vlob_update(out, own_vlob_, next_version(), payload(share.bytes, random_()));
    case Command::vlob_poll_changes:
      return requests::vlob_poll_changes(out, realm_id_, share.from_start ? 0 : checkpoint_);
    case Command::block_create:
      return requests::block_create(out, realm_id_, random_uuid(random_),
                                    payload(share.bytes, random_()));
    case Command::block_read:
      return requests::block_read(
          out, own_blocks_[static_cast<std::size_t>(&share - scenario_.commands.data())]);
    case Command::user_get:
      return requests::user_get(out, Population::user_id(below(random_, size.users)));
    case Command::human_find:
      return requests::human_find(out, Population::user_id(below(random_, size.users)));
    case Command::realm_stats:
      return requests::realm_stats(out, realm_id_);
    case Command::message_get:
      return requests::message_get(out, 0);
    case Command::reencryption:
      maintenance_ = Maintenance::starting;
      return requests::reencryption_start(out, own_realm_, revision_ + 1,
                                          Population::user_id(device_.user));
    case Command::handshake:
      assert(false);
  }
}

bool Conversation::goes_on(const CommandShare& share, const msgpack::Value& reply,
                           msgpack::Writer& out) {
  if (status_of(reply) != "ok") return false;
  switch (share.command) {
    case Command::vlob_update:
    case Command::fan_out:
      ++own_version_;
      return false;
    case Command::vlob_poll_changes: {
      const auto checkpoint = reply.find("current_checkpoint");
      if (checkpoint && checkpoint->kind() == msgpack::Kind::integer) {
        checkpoint_ = checkpoint->integer();
      }
      return false;
    }
    case Command::reencryption:
      return goes_on_reencrypting(share, reply, out);
    default:
      return false;
  }
}

bool Conversation::goes_on_reencrypting(const CommandShare& share, const msgpack::Value& reply,
                                        msgpack::Writer& out) {
  switch (maintenance_) {
    case Maintenance::starting:
      ++revision_;
      [[fallthrough]];
    case Maintenance::saving:
      maintenance_ = Maintenance::reading;
      requests::reencryption_get_batch(out, own_realm_, revision_, share.batch);
      return true;
    case Maintenance::reading: {
      const auto batch = reply.find("batch");
      if (batch && batch->kind() == msgpack::Kind::array && batch->count() > 0) {
        maintenance_ = Maintenance::saving;
        requests::reencryption_save_batch(out, own_realm_, revision_, *batch);
      } else {
        maintenance_ = Maintenance::finishing;
        requests::reencryption_finish(out, own_realm_, revision_);
      }
      return true;
    }
    case Maintenance::finishing:
      return false;
  }
  return false;
}

}  // namespace parsec::bench
