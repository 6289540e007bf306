// Does what a lane's batch says: hands each delivery to the edge, each once; drops events that are settled;
// forgets other gateways' events that cannot come again. What is said in an epoch that is over is ignored,
// and the lane is told so.
//
// Threading: the gateway's loop thread.
#pragma once

#include <string_view>

#include "common/ids.h"
#include "gateway/link/replay_buffer.h"
#include "gateway/link/statekeeper_lane.h"
#include "gateway/link/statekeeper_links.h"
#include "proto/link.pb.h"

namespace prometheus {
class Histogram;
}

namespace dormouse {

class BatchReceiver {
 public:
  // `gateway`: this one. `batch_deliveries`: as StatekeeperLinks::Config's. All outlive it.
  BatchReceiver(GatewayId gateway, ReplayBuffer* buffer, StatekeeperLinks::Edge* edge,
                prometheus::Histogram* batch_deliveries)
      : gateway_(gateway), buffer_(*buffer), edge_(edge), batch_deliveries_(batch_deliveries) {}

  // False: some of it is broken, or makes no sense here, and was passed over.
  bool Receive(StatekeeperLane* lane, const link::ToGateway& batch, std::string_view deliveries);
  // Whether a batch was sent for its acknowledgement, since the last call.
  bool TakeBarrier();

 private:
  // False: the rest of them cannot be read.
  bool Deliver(StatekeeperLane* lane, std::string_view deliveries, bool* sound);
  void TellAnswerTimes(StatekeeperLane* lane, const DeliveryView& question);
  void DeliverOwn(StatekeeperLane* lane, const DeliveryView& delivery, bool* sound);
  void Settle(StatekeeperLane* lane, const link::ToGateway& batch, bool* sound);
  void SettleEvents(ReplayBuffer::Shard* shard, uint64_t first, uint64_t last);
  // Whether the lane speaks for an epoch of the shard that is not over.
  bool IsCurrent(StatekeeperLane* lane, ShardId shard, uint32_t epoch);
  // nullptr: there is no such shard, and the batch is not sound.
  ReplayBuffer::Shard* Find(uint32_t shard, bool* sound);

  const GatewayId gateway_;
  ReplayBuffer& buffer_;
  StatekeeperLinks::Edge* const edge_;
  prometheus::Histogram* const batch_deliveries_;
  bool barrier_ = false;
};

}  // namespace dormouse
