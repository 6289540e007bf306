// The barrier at a planned hand-over: behind it nothing of what was released for some shards is under way. Two
// marks go through every gateway that is linked, one after the other. Once all have acknowledged the first,
// each is being told what is settled by that; once they have acknowledged the second, they know. A next owner
// is then sent no event that was released here.
//
// Threading: the lane's.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/shard.h"
#include "statekeeper/link/gateway_table.h"

namespace dormouse {

class HandOverBarrier {
 public:
  explicit HandOverBarrier(GatewayTable* gateways) : gateways_(gateways) {}

  // As GatewayLinks'.
  void Quiesce(const std::vector<ShardEpoch>& shards, std::function<void()> done);
  // In the end of a turn of the loop: sends the marks for all that Quiesce was called for in it.
  void Send();

  void OnAcknowledged(const GatewaySession& gateway);
  // It is not waited for.
  void OnLost(GatewayId gateway);

 private:
  struct Round {
    bool second = false;
    size_t awaited = 0;  // acknowledgements
    ShardEpoch shard;    // one of them
    std::vector<std::function<void()>> done;
  };

  void SendMarks(const std::shared_ptr<Round>& round);
  // One gateway has passed the mark.
  void Pass(const std::shared_ptr<Round>& round);

  GatewayTable* const gateways_;
  std::shared_ptr<Round> wanted_;  // gathers what one turn asks for
  // Rounds that wait for a gateway to acknowledge a batch, in the order of batches; none is empty.
  absl::flat_hash_map<GatewayId, std::deque<std::pair<uint64_t, std::shared_ptr<Round>>>> awaited_;
};

}  // namespace dormouse
