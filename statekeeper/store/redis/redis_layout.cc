#include "statekeeper/store/redis/redis_layout.h"

#include <fmt/format.h>

namespace dormouse {

std::string ClusterKey(std::string_view prefix) { return fmt::format("{}:cluster", prefix); }

std::string ShardKey(std::string_view prefix, ShardId shard) {
  return fmt::format("{{{}:{}}}:shard", prefix, shard);
}

std::string AlarmsKey(std::string_view prefix, ShardId shard) {
  return fmt::format("{{{}:{}}}:alarms", prefix, shard);
}

std::string HubsKey(std::string_view prefix, ShardId shard) {
  return fmt::format("{{{}:{}}}:hubs", prefix, shard);
}

std::string HubKey(std::string_view prefix, ShardId shard, std::string_view hub) {
  return fmt::format("{{{}:{}}}:h:{}", prefix, shard, hub);
}

std::string EscapeRowKey(std::string_view key) {
  std::string escaped;
  escaped.reserve(key.size());
  for (const char byte : key) {
    if (byte == '\0' || byte == '\1') {
      escaped.push_back('\1');
      escaped.push_back(static_cast<char>(byte + 1));
    } else {
      escaped.push_back(byte);
    }
  }
  return escaped;
}

std::string UnescapeRowKey(std::string_view escaped) {
  std::string key;
  key.reserve(escaped.size());
  for (size_t i = 0; i < escaped.size(); ++i) {
    key.push_back(escaped[i] == '\1' && i + 1 < escaped.size() ? static_cast<char>(escaped[++i] - 1)
                                                               : escaped[i]);
  }
  return key;
}

}  // namespace dormouse
