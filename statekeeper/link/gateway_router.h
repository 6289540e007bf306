// The implementation of GatewayLinks, for LinkServer, which puts streams into its inbox. Routes what comes
// from gateways to the lane, and what the lane sends to the sessions of gateways (GatewaySession); who must
// hear of what a gateway acknowledges, loses or is given up with is its own idea:
//
//   streams --> GatewayRouter --events--> the lane
//                  |
//                  +-- GatewayTable       the sessions, of whom each has its stream and its numbered batches
//                  +-- DeliveryFanout     output, by gateway
//                  +-- SettlementTracker  which events are settled
//                  +-- RecallTracker      output that is asked back
//                  +-- AnswerTimes        when gateways answered on hubs' behalf
//                  +-- LostOutput         sockets that lack something, of gateways that were given up
//                  +-- HandOverBarrier      that nothing is under way when shards are handed over
//
// Gives gateways up: those that do not come back, hang, or acknowledge too slowly.
#pragma once

#include <ev.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/stream_inbox.h"
#include "proto/link.pb.h"
#include "statekeeper/link/answer_times.h"
#include "statekeeper/link/delivery_fanout.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/link/gateway_session.h"
#include "statekeeper/link/gateway_table.h"
#include "statekeeper/link/hand_over_barrier.h"
#include "statekeeper/link/lane_entrance.h"
#include "statekeeper/link/local_listener.h"
#include "statekeeper/link/lost_output.h"
#include "statekeeper/link/owned_shards.h"
#include "statekeeper/link/recall_tracker.h"
#include "statekeeper/link/settlement_tracker.h"
#include "statekeeper/link/write_schedule.h"

namespace dormouse {

class GatewayRouter final : public GatewayLinks, private StreamInbox::Owner {
 public:
  // `lanes`: of this process. `shard_count`: of the cluster; known before the first stream comes.
  GatewayRouter(Config config, uint32_t lanes, std::shared_ptr<const std::atomic<uint32_t>> shard_count,
                struct ev_loop* loop, Receiver* receiver);
  ~GatewayRouter() override;

  // Takes streams whose first message is a ToLane with a Hello that is meant for this lane.
  const std::shared_ptr<StreamInbox>& inbox() const { return inbox_; }
  // Takes the streams of this host's gateways at `path`, too: those that `admit` lets in.
  void Listen(std::string path, FramedStream::Admit admit);
  // Where the streams of other hosts' gateways come in.
  std::shared_ptr<LaneEntrance> OpenEntrance(FramedStream::Admit admit);

  void Release(EventOutput output) override;
  void Recall(const ConnectionId& closed, ShardId shard, uint32_t epoch, Recalled done) override {
    recalls_.Recall(closed, {shard, epoch}, std::move(done));
  }
  void AskAnswerTimes(const std::vector<ConnectionId>& connections, const ShardEpoch& shard,
                      const Answered& done) override {
    answer_times_.Ask(connections, shard, done);
  }
  void Own(const std::vector<ShardEpoch>& shards) override;
  void SetCommits(ShardId shard, uint64_t commits) override { owned_.SetCommits(shard, commits); }
  void Disown(const std::vector<ShardId>& shards) override;
  void Quiesce(const std::vector<ShardEpoch>& shards, std::function<void()> done) override {
    barrier_.Quiesce(shards, std::move(done));
  }
  std::vector<GatewayId> Linked() const override;
  bool IsPresent(GatewayId gateway) const override { return gateways_.IsPresent(gateway); }
  void Hold(bool hold) override { inbox_->Hold(hold); }
  void Flush() override;
  Traffic traffic() const override;

 private:
  // --- Streams.
  void OnArrival(Arrival& arrival) override;
  void OnArrivalsEnd() override {}
  void OnOpened(const std::shared_ptr<LinkStream>& stream, const grpc::ByteBuffer& message);
  // How a stream begins.
  enum class Start { kNew, kResumed, kAfresh };
  // The session of the gateway that greets so, made ready for a stream; nullptr: it is refused, `*status`
  // says why.
  GatewaySession* Welcome(const link::ToLane::Hello& hello, Start* start, grpc::Status* status);
  void OnMessage(GatewaySession* gateway, const grpc::ByteBuffer& message);
  // Ends a stream that broke the rules.
  void Refuse(GatewaySession* gateway, const std::string& why, const std::string& details = {});
  void OnLost(GatewaySession* gateway);

  // --- What came.
  void TakeStale(GatewaySession* gateway);
  // False: it was never sent so much.
  bool TakeAcknowledgement(GatewaySession* gateway, uint64_t through);
  // False: `*begin` is where on the stream one is that cannot be read.
  bool TakeEvents(GatewaySession* gateway, std::string_view batch, uint32_t* begin);
  void TakeQuestions(GatewaySession* gateway);

  // --- Giving up.
  // Memory that is taken for what it has not acknowledged.
  uint64_t OwedBytes(const GatewaySession& gateway) const;
  bool IsTooSlow(const GatewaySession& gateway) const;
  // Looks for gateways that hang, as long as any has something to acknowledge.
  void OnLookTimer();
  void OnGraceTimer();
  void ArmGraceTimer();
  void GiveUp(GatewayId id, const char* why);
  // What was handled before a gateway was given up, and released after that.
  void OnUndeliverable(const EventOutput& event, const Output& output, const Output::To& to);

  const Config config_;
  const std::shared_ptr<const std::atomic<uint32_t>> shard_count_;
  struct ev_loop* const loop_;
  Receiver* const receiver_;
  const std::shared_ptr<StreamInbox> inbox_;
  std::vector<std::unique_ptr<LocalListener>> listeners_;
  std::shared_ptr<LaneEntrance> entrance_;
  ev_timer grace_timer_;
  ev_timer look_timer_;

  OwnedShards owned_;
  WriteSchedule schedule_;
  uint64_t messages_sent_ = 0;
  uint64_t messages_received_ = 0;
  GatewayTable gateways_;
  DeliveryFanout fanout_;
  SettlementTracker settlements_;
  RecallTracker recalls_;
  LostOutput lost_;
  AnswerTimes answer_times_;
  HandOverBarrier barrier_;

  link::ToLane incoming_;  // kept for its memory
  // Whether this object lives, for answers that come late.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool full_ = false;  // gateways are refused, which has been said
};

}  // namespace dormouse
