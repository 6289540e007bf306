// A hub's full name and the slice of the name space (shard) that it falls into.
#pragma once

#include <cstdint>
#include <string_view>

namespace dormouse {

using ShardId = uint16_t;  // 0 .. S-1; S is at most 65,536

// A shard in one of its epochs (its fencing number: up by one at every change of owner).
struct ShardEpoch {
  ShardId shard = 0;
  uint32_t epoch = 0;
  friend bool operator==(const ShardEpoch&, const ShardEpoch&) = default;
};

// "CLASS/NAME": how a hub is named on the wire, in the store and by operators. A class name has no '/'.
std::string_view HubClassOf(std::string_view hub);
std::string_view HubNameOf(std::string_view hub);

// hash(class, name) mod S. XXH3-64 of the full name: the same in every process and version, for the store
// depends on it.
ShardId ShardOf(std::string_view hub, uint32_t shard_count);

// 1-128 characters of [A-Za-z0-9._~-].
bool IsValidHubName(std::string_view name);

}  // namespace dormouse
