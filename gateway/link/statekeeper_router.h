// The implementation of StatekeeperLinks: routes the edge's events to the lanes that own their shards, and
// what lanes say to the edge.
//
//   edge --event--> ReplayBuffer (its shard's log) --> StatekeeperLane --> StatekeeperStream --> the lane
//   the lane --> StatekeeperStream --> BatchReceiver --delivery--> edge
//
// Follows the shard map (ShardWatch) and what lanes say that they own (ShardRoute): a shard's new owner is
// told everything that is not settled, before anything new. Keeps a stream to each lane of each member.
//
// Threading: the gateway's loop thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/rpc/completion_thread.h"
#include "common/rpc/stream_inbox.h"
#include "gateway/link/app_tunnels.h"
#include "gateway/link/batch_receiver.h"
#include "gateway/link/replay_buffer.h"
#include "gateway/link/shard_watch.h"
#include "gateway/link/statekeeper_lane.h"
#include "gateway/link/statekeeper_links.h"
#include "gateway/link/statekeeper_stream.h"
#include "proto/link.pb.h"

namespace dormouse {

class StatekeeperRouter final : public StatekeeperLinks,
                                private StatekeeperStream::Receiver,
                                private StreamInbox::Owner {
 public:
  // `loop` and `edge` outlive it.
  StatekeeperRouter(Config config, struct ev_loop* loop, Edge* edge);
  ~StatekeeperRouter() override;

  AppendResult Append(EventView event) override { return AppendWithTail(event, {}); }
  AppendResult AppendWithTail(EventView event, SharedTail tail) override;
  AppendResult AppendInLine(EventView event) override;
  bool IsCongested(std::string_view hub) const override;

  uint64_t LookAt(std::string_view hub, bool sleep, Looked done) override;
  void ForgetLook(uint64_t number) override { looks_.erase(number); }

  void Flush() override;

  bool ready() const override { return not_ready_reason().empty(); }
  std::string not_ready_reason() const override;
  Traffic traffic() const override;
  int ConnectToApp(const std::string& address) override { return app_tunnels_.Connect(address); }
  size_t unsettled() const override { return buffer_.unsettled(); }
  uint64_t unsettled_bytes() const override;

  uint32_t shards() const override {
    return buffer_.size() > 0 ? static_cast<uint32_t>(buffer_.size()) : held_map_.shard_count();
  }
  void Save(takeover::StateWriter* writer) const override;
  void Leave() override;
  bool Restore(const takeover::Item& item, takeover::StateReader* reader) override;
  void Begin() override;

 private:
  // StatekeeperStream::Receiver
  void OnGreeted(StatekeeperLane* lane, bool resumed) override;
  bool OnOwned(StatekeeperLane* lane, const link::ToGateway& message, bool greeting) override;
  bool OnBatch(StatekeeperLane* lane, const link::ToGateway& batch, std::string_view deliveries) override;
  void OnLooks(StatekeeperLane* lane, const link::ToGateway& message) override;
  bool OnRefusedEvent(StatekeeperLane* lane, uint32_t begin) override;

  // StreamInbox::Owner
  void OnArrival(Arrival& arrival) override;
  void OnArrivalsEnd() override;

  // --- Streams.

  // Opens those that are missing and due; keeps the timer going while there are such.
  void Connect();
  bool AnyStreamWaits() const;
  bool AnyOwnerSilent() const;
  // An owner has been silent for long: perhaps the map is an old one, and another statekeeper knows better.
  void RotateWatch();
  // While events of any lane wait for their turn.
  void OnLookTimer();

  // --- Owners.

  void OnMap(const link::ShardMap& map);
  // The member's lanes, new ones where it is new. Also of a member that owns nothing yet: its streams are
  // there when it does.
  std::vector<StatekeeperLane*> LanesOf(const link::Member& member);
  void DropUnusedLanes(const link::ShardMap& map);
  void TellProfiles(const link::ShardMap& map);
  void TellAppAddresses(const link::ShardMap& map);
  void Assign(ShardId shard, StatekeeperLane* lane, uint32_t epoch);

  // --- A successor.

  void SaveShard(ShardId id, uint32_t lane, takeover::StateWriter* writer) const;
  void RestoreLane(const takeover::Lane& from, takeover::StateReader* reader);
  void RestoreShard(const takeover::Shard& from, takeover::StateReader* reader);
  void RestoreEvent(const takeover::Event& from, takeover::StateReader* reader);
  void RestoreCauses(const takeover::Causes& from);
  void RestoreWaiting(const takeover::Waiting& from, takeover::StateReader* reader);
  // `number`: as Shard::lane. nullptr: there is none.
  StatekeeperLane* RestoredLane(uint32_t number);

  // --- Events.

  // Fills in what follows from its hub.
  ReplayBuffer::Shard* ShardFor(EventView* event);
  AppendResult Queue(ReplayBuffer::Shard* shard, const EventView& event, SharedTail tail);
  AppendResult ResultFor(ReplayBuffer::Shard* shard);
  void LookLater(const StatekeeperLane& lane);

  const Config config_;
  struct ev_loop* const loop_;
  Edge* const edge_;
  const GatewayId gateway_;
  CompletionThread thread_;
  const std::shared_ptr<StreamInbox> inbox_;
  ev_timer retry_timer_;
  ev_timer acknowledge_timer_;
  ev_timer look_timer_;
  bool acknowledge_now_ = false;

  ReplayBuffer buffer_;         // not open: no map yet
  StatekeeperLane unassigned_;  // of shards without an owner
  std::map<std::pair<uint64_t, uint32_t>, std::unique_ptr<StatekeeperLane>>
      lanes_;  // by incarnation and lane
  BatchReceiver receiver_;
  ShardWatch watch_;
  int64_t rotated_at_ms_ = 0;
  bool profiles_told_ = false;
  std::string profiles_;
  std::vector<std::string> app_addresses_;
  AppTunnels app_tunnels_;
  std::map<uint64_t, Looked> looks_;  // by number
  uint64_t looks_asked_ = 0;

  // --- A successor.
  bool held_;  // until Begin
  link::ShardMap held_map_;
  bool left_ = false;
  std::vector<StatekeeperLane*> restored_lanes_;   // in their order
  ReplayBuffer::Shard* restored_shard_ = nullptr;  // whose events come
};

}  // namespace dormouse
