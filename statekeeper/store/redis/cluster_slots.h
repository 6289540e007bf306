// The hash slots of a Redis Cluster: which slot a key has, and which node serves a slot.
#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "statekeeper/store/redis/redis_url.h"

namespace dormouse {

inline constexpr uint16_t kClusterSlots = 16'384;

// By the part between the first '{' and the '}' that follows, where there is one that is not empty.
uint16_t ClusterSlotOf(std::string_view key);

class ClusterSlots {
 public:
  ClusterSlots() : owners_(kClusterSlots, kNobody) {}

  // From the answer to CLUSTER SLOTS of the node at `asked` (which does not always know its own host). False:
  // it is no such answer, and nothing is changed.
  bool Parse(const redisReply& reply, const RedisAddress& asked);

  // Null: nobody is known to serve it.
  const RedisAddress* OwnerOf(uint16_t slot) const;
  void SetOwner(uint16_t slot, const RedisAddress& owner);

  // By the last answer every slot had an owner.
  bool complete() const { return complete_; }
  bool Owns(const RedisAddress& node) const;
  // Those that serve slots, and maybe some that did.
  const std::vector<RedisAddress>& nodes() const { return nodes_; }

 private:
  static constexpr uint16_t kNobody = 0xffff;
  uint16_t IndexOf(const RedisAddress& node);

  std::vector<RedisAddress> nodes_;
  bool complete_ = false;
  std::vector<uint16_t> owners_;  // by slot: number of the node
};

// "MOVED 3999 HOST:PORT", "ASK 3999 HOST:PORT"
struct ClusterRedirect {
  bool ask = false;
  RedisAddress to;
};
// Nothing: the error is no redirection. `asked` stands in for a host that is left out.
std::optional<ClusterRedirect> ParseRedirect(std::string_view error, const RedisAddress& asked);

}  // namespace dormouse
