// Any texts, one a line, as values of --blockstore: what is accepted keeps the rules of each kind,
// and comes back from the values it is written as.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "db/blocks/block_store_config.h"
#include "tests/fuzz/support/input.h"

namespace {

using Config = parsec::db::BlockStoreConfig;

std::string escaped(std::string_view field) {
  std::string text = ":";
  for (const char c : field) {
    if (c == ':' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

struct Writer {
  std::string operator()(const Config::Mocked&) const { return "MOCKED"; }
  std::string operator()(const Config::Postgresql&) const { return "POSTGRESQL"; }
  std::string operator()(const Config::S3& s3) const {
    return "s3" + escaped(s3.endpoint_url) + escaped(s3.region) + escaped(s3.bucket) +
           escaped(s3.key) + escaped(s3.secret);
  }
  std::string operator()(const Config::Swift& swift) const {
    return "swift" + escaped(swift.auth_url) + escaped(swift.tenant) + escaped(swift.container) +
           escaped(swift.user) + escaped(swift.password);
  }
};

std::vector<std::string> written(const Config& config) {
  std::vector<std::string> values;
  for (const auto& node : config.nodes) {
    std::string value;
    if (config.raid != Config::Raid::none) {
      value.append(config.type()).append(":" + std::to_string(values.size()) + ":");
    }
    values.push_back(value + std::visit(Writer{}, node));
  }
  return values;
}

void check_rules(const Config& config) {
  const auto nodes = config.nodes.size();
  assert(config.raid == Config::Raid::none ? nodes == 1 : nodes >= 1);
  assert(config.raid != Config::Raid::raid5 || nodes >= 3);
  assert(!config.type().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parsec::testing::Input input{data, size};
  std::vector<std::string_view> values;
  while (!input.empty() && values.size() < 32) values.push_back(input.until('\n'));
  const auto config = parsec::db::parse_block_store(values);
  if (!config) {
    assert(!config.error().empty());
    return 0;
  }
  check_rules(*config);
  const auto texts = written(*config);
  const auto again =
      parsec::db::parse_block_store(std::vector<std::string_view>(texts.begin(), texts.end()));
  assert(again && again->raid == config->raid && again->nodes == config->nodes);
  return 0;
}
