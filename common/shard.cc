#include "common/shard.h"

#include <xxhash.h>

#include <algorithm>

namespace dormouse {

std::string_view HubClassOf(std::string_view hub) { return hub.substr(0, hub.find('/')); }

std::string_view HubNameOf(std::string_view hub) {
  const size_t slash = hub.find('/');
  return slash == std::string_view::npos ? std::string_view() : hub.substr(slash + 1);
}

ShardId ShardOf(std::string_view hub, uint32_t shard_count) {
  return static_cast<ShardId>(XXH3_64bits(hub.data(), hub.size()) % shard_count);
}

bool IsValidHubName(std::string_view name) {
  if (name.empty() || name.size() > 128) return false;
  if (name == "." || name == "..") return false;  // who builds a URL of it comes out elsewhere
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '~' || c == '-';
  });
}

}  // namespace dormouse
