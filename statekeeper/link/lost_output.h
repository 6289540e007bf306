// Output that went with the session of a gateway that was given up. An open socket has no gap: if the gateway
// comes back, those of its sockets that lack something are closed before they are sent anything else, and
// their hubs hear of it. (What is returnable of it they recall then, see RecallTracker.) Who awaits the end of
// a gateway that does not come back does so elsewhere (GatewayLinks::Receiver::OnGatewayGone).
//
// What was sent for an event of the gateway's own is not lost: that event is not settled, so it comes again.
//
// Memory: some 32 bytes for each such socket, until the gateway is back, or would have closed its sockets
// itself for their silence.
//
// Threading: the lane's.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>

#include "common/ids.h"
#include "common/shard.h"
#include "statekeeper/link/gateway_session.h"
#include "statekeeper/link/outbox.h"
#include "statekeeper/link/owned_shards.h"

namespace dormouse {

class LostOutput {
 public:
  static constexpr int64_t kRememberMs = 600'000;

  // `gateway` is given up: all that is in its outbox. Times: steady clock.
  void OnGivenUp(GatewaySession* gateway, int64_t now_ms);
  // Something was released to a socket of a gateway that had been given up before.
  void Add(GatewayId gateway, uint64_t connection, ShardId shard, int64_t now_ms);
  // It is back, with a session that is new: closes what lacks something. `received_through`: the last batch of
  // the session before that it has got. Of shards in `owned`: of others it would not be believed.
  void OnBack(GatewaySession* gateway, uint64_t received_through, const OwnedShards& owned);

  void Expire(int64_t now_ms);
  int64_t NextExpiryMs() const;

 private:
  struct Last {
    uint64_t batch = 0;  // the last one in which something was sent to the socket
    ShardId shard = 0;   // of its hub
  };
  struct Gateway {
    int64_t end_ms = 0;
    absl::flat_hash_map<uint64_t, Last> sockets;  // by ConnectionId::handle
  };

  absl::flat_hash_map<GatewayId, Gateway> gateways_;
};

}  // namespace dormouse
