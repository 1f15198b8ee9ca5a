// See block_store_config.h.
#include "db/blocks/block_store_config.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "engine/outbound/http_url.h"

namespace parsec::db {

namespace {

using Raid = BlockStoreConfig::Raid;
using Node = BlockStoreConfig::Node;
using Parts = std::vector<std::string>;

template <typename Value>
using Parsed = std::expected<Value, std::string>;

/// Splits at `:`. `\:` is a colon, `\\` a backslash, a backslash before anything else stays.
Parts split(std::string_view value) {
  Parts parts(1);
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == ':') {
      parts.emplace_back();
    } else if (c == '\\' && i + 1 < value.size() && (value[i + 1] == ':' || value[i + 1] == '\\')) {
      parts.back() += value[++i];
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string upper(std::string_view text) {
  std::string result{text};
  for (auto& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

std::string quoted(std::string_view before, std::string_view value, std::string_view after = {}) {
  std::string text{before};
  return text.append("`").append(value).append("`").append(after);
}

/// What is shown of a text that should have been a known word or a number: nothing, if it may be
/// something else, a secret for instance.
std::string shown(std::string_view text) {
  constexpr std::size_t longest_word = 16;
  const bool is_word = text.size() <= longest_word && std::ranges::all_of(text, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '-';
                       });
  return is_word ? std::string{text} : "(not shown)";
}

/// An endpoint without a scheme gets https, which spares people most of the escaping.
std::string with_scheme(const std::string& url) {
  if (url.empty() || url.starts_with("http://") || url.starts_with("https://")) return url;
  return "https://" + url;
}

std::string_view type_of(const Node& node) {
  constexpr std::string_view types[] = {"MOCKED", "POSTGRESQL", "S3", "SWIFT"};
  return types[node.index()];
}

std::string_view type_of(Raid raid) {
  constexpr std::string_view types[] = {"", "RAID0", "RAID1", "RAID5"};
  return types[static_cast<std::size_t>(raid)];
}

Raid parse_raid(std::string_view type) {
  const auto name = upper(type);
  for (const auto raid : {Raid::raid0, Raid::raid1, Raid::raid5}) {
    if (name == type_of(raid)) return raid;
  }
  return Raid::none;
}

/// Of S3 and Swift: what would be misunderstood, or let a part of a secret become something that
/// messages name. Nothing of it is shown.
std::optional<std::string> complaint_about_service(std::string_view type, std::string_view url,
                                                   std::string_view container,
                                                   std::span<const std::string> fields) {
  const auto complaint = [&](std::string_view why) {
    return "Invalid " + std::string{type} + " config: " + std::string{why};
  };
  for (const auto& field : fields) {
    if (std::ranges::any_of(field, [](unsigned char c) { return c < ' ' || c == 0x7F; })) {
      return complaint("a field holds a control character, perhaps a newline at its end");
    }
  }
  if (url == "https://http" || url == "https://https") {
    return complaint(R"(the `:` of a URL must be written `\:`, as in `https\://host\:port`)");
  }
  if (!url.empty()) {
    const auto wrong = engine::complaint_about_url(url, engine::UrlUser::forbidden);
    if (wrong) return complaint("the URL " + *wrong);
    if (url.find_first_of("?#") != url.npos)
      return complaint("the URL must hold no `?` and no `#`");
  }
  // Keys and passwords often hold one of them, names of buckets and containers do not.
  if (container.empty() || container.find_first_of("@/+= ") != container.npos) {
    return complaint(
        "what stands for the bucket or container is none (it is not shown). Are the fields in "
        "order, and is each `:` inside of a field written `\\:`?");
  }
  return std::nullopt;
}

Parsed<Node> parse_node(std::span<const std::string> parts) {
  const auto type = upper(parts[0]);
  if (type == "MOCKED" && parts.size() == 1) return BlockStoreConfig::Mocked{};
  if (type == "POSTGRESQL" && parts.size() == 1) return BlockStoreConfig::Postgresql{};
  if (type == "S3") {
    if (parts.size() != 6) {
      return std::unexpected(quoted("Invalid S3 config, must be ",
                                    "s3:[<endpoint_url>]:<region>:<bucket>:<key>:<secret>"));
    }
    const auto url = with_scheme(parts[1]);
    if (auto wrong = complaint_about_service("S3", url, parts[3], parts)) {
      return std::unexpected(std::move(*wrong));
    }
    // It becomes a part of the host.
    if (url.empty() && parts[2] != shown(parts[2])) {
      return std::unexpected(
          "Invalid S3 config: what stands for the region of AWS is none (it is "
          "not shown). Are the fields in order?");
    }
    return BlockStoreConfig::S3{with_scheme(parts[1]), parts[2], parts[3], parts[4], parts[5]};
  }
  if (type == "SWIFT") {
    if (parts.size() != 6) {
      return std::unexpected(quoted("Invalid SWIFT config, must be ",
                                    "swift:<auth_url>:<tenant>:<container>:<user>:<password>"));
    }
    if (auto wrong = complaint_about_service("SWIFT", with_scheme(parts[1]), parts[3], parts)) {
      return std::unexpected(std::move(*wrong));
    }
    return BlockStoreConfig::Swift{with_scheme(parts[1]), parts[2], parts[3], parts[4], parts[5]};
  }
  return std::unexpected(quoted("Invalid blockstore type ", shown(parts[0])));
}

struct Value {
  Raid raid = Raid::none;
  std::int64_t index = 0;
  Node node;
};

Parsed<Value> parse_value(std::string_view text) {
  const auto parts = split(text);
  std::span<const std::string> node_parts{parts};
  Value value{.raid = parse_raid(parts[0]), .index = 0, .node = {}};
  if (value.raid != Raid::none) {
    if (parts.size() < 3) {
      return std::unexpected(quoted("Invalid RAID config, must be ", "raid<0|1|5>:<n>:<config>"));
    }
    const auto& index = parts[1];
    const auto* end = index.data() + index.size();
    const auto [stop, error] = std::from_chars(index.data(), end, value.index);
    if (error != std::errc{} || stop != end) {
      return std::unexpected(quoted("Invalid node index ", shown(index), " (must be integer)"));
    }
    node_parts = node_parts.subspan(2);
  }
  auto node = parse_node(node_parts);
  if (!node) return std::unexpected(std::move(node).error());
  value.node = std::move(*node);
  return value;
}

/// Every index from 0 on exactly once.
Parsed<std::vector<Node>> in_order(std::vector<Value> values) {
  std::vector<Node> nodes;
  for (std::size_t index = 0; index < values.size(); ++index) {
    const auto has_index = [index](const Value& value) {
      return std::cmp_equal(value.index, index);
    };
    const auto number = std::to_string(index);
    const auto count = std::ranges::count_if(values, has_index);
    if (count == 0) {
      return std::unexpected(quoted("Missing node index ", number, " in RAID config"));
    }
    if (count > 1) {
      return std::unexpected(
          quoted("Multiple configuration for node index ", number, " in RAID config"));
    }
    nodes.push_back(std::ranges::find_if(values, has_index)->node);
  }
  return nodes;
}

/// Chunks of one block have the same name on every node: on a common node they would replace each
/// other. Memory is each node's own.
bool has_a_node_twice(std::span<const Node> nodes) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (std::holds_alternative<BlockStoreConfig::Mocked>(nodes[i])) continue;
    if (std::ranges::count(nodes, nodes[i]) > 1) return true;
  }
  return false;
}

}  // namespace

std::string_view BlockStoreConfig::type() const {
  return raid == Raid::none ? type_of(nodes.front()) : type_of(raid);
}

std::expected<BlockStoreConfig, std::string> parse_block_store(
    std::span<const std::string_view> values) {
  std::vector<Value> parsed;
  std::vector<std::pair<Raid, std::string_view>> kinds;  // of RAID, or without; by appearance
  for (const auto text : values) {
    auto value = parse_value(text);
    if (!value && !parsed.empty() && text.find(':') == text.npos) {
      // In the variable spaces separate: it may be the end of a secret.
      return std::unexpected(
          "Invalid blockstore config: one of several is none (it is not shown). A space within a "
          "key or password cannot stand in PARSEC_BLOCKSTORE, only in --blockstore");
    }
    if (!value) return std::unexpected(std::move(value).error());
    const auto raid = value->raid;
    if (std::ranges::find(kinds, raid, &std::pair<Raid, std::string_view>::first) == kinds.end()) {
      kinds.emplace_back(raid, raid == Raid::none ? type_of(value->node) : type_of(raid));
    }
    parsed.push_back(std::move(*value));
  }
  if (parsed.empty()) return std::unexpected("Missing blockstore config");
  if (kinds.size() > 1) {
    std::string text = "Multiple blockstore config with different types: ";
    for (const auto& [raid, type] : kinds) {
      if (!text.ends_with(' ')) text += '/';
      text += type;
    }
    return std::unexpected(std::move(text));
  }

  BlockStoreConfig config{.raid = kinds.front().first, .nodes = {}};
  if (config.raid == Raid::none) {
    if (parsed.size() > 1) {
      return std::unexpected("Multiple blockstore configs only available for RAID mode");
    }
    config.nodes.push_back(std::move(parsed.front().node));
    return config;
  }
  auto nodes = in_order(std::move(parsed));
  if (!nodes) return std::unexpected(std::move(nodes).error());
  config.nodes = std::move(*nodes);
  if (config.raid == Raid::raid5) {
    if (config.nodes.size() < 3) {
      return std::unexpected("RAID5 block store needs at least 3 nodes");
    }
    if (has_a_node_twice(config.nodes)) {
      return std::unexpected("RAID5 block store needs different nodes");
    }
  }
  return config;
}

}  // namespace parsec::db
