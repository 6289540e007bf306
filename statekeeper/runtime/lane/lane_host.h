// What hosts the hubs of a lane, on its thread: it puts the parts together, and is what each hub needs of
// them (HubHost).
//
//   GatewayLinks --events--> HubRouter --> AwakeHub --writes--> CommitGroup --> Store
//                                |            |
//                         TurnScheduler       +------sends-----> GatewayLinks
//
//   which hubs are awake    awake_hubs.h          which shards are served      shard_service.h
//   the way of an event     hub_router.h          gateways that are gone       gateway_watch.h
//   who has the next turn   turn_scheduler.h      the lease                    lease_watch.h
//   which alarms ring       alarm_clock.h         operators' calls             operator_calls.h
//   what a turn commits     commit_group.h        copies of hubs               hub_reader.h, hub_restorer.h
//   calls of other hubs     outgoing_calls.h
//
// One lane's thread and loop, from its first turn to its last.
#pragma once

#include <ev.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "statekeeper/hub/registry.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/lane/alarm_clock.h"
#include "statekeeper/runtime/lane/awaited.h"
#include "statekeeper/runtime/lane/awake_hubs.h"
#include "statekeeper/runtime/lane/commit_accounts.h"
#include "statekeeper/runtime/lane/commit_group.h"
#include "statekeeper/runtime/lane/gateway_watch.h"
#include "statekeeper/runtime/lane/hub_reader.h"
#include "statekeeper/runtime/lane/hub_restorer.h"
#include "statekeeper/runtime/lane/hub_router.h"
#include "statekeeper/runtime/lane/lane_config.h"
#include "statekeeper/runtime/lane/lane_metrics.h"
#include "statekeeper/runtime/lane/lease_watch.h"
#include "statekeeper/runtime/lane/operator_calls.h"
#include "statekeeper/runtime/lane/outgoing_calls.h"
#include "statekeeper/runtime/lane/shard_service.h"
#include "statekeeper/runtime/lane/store_watch.h"
#include "statekeeper/runtime/lane/suspect_queue.h"
#include "statekeeper/runtime/lane/turn_scheduler.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class LaneHost final : public HubHost {
 public:
  // `config`, `classes`, `store_watch` and `metrics` outlive it.
  LaneHost(struct ev_loop* loop, const LaneConfig& config, const HubClassRegistry* classes,
           std::unique_ptr<Store> store, std::unique_ptr<GatewayLinks> links, StoreWatch* store_watch,
           LaneMetrics* metrics);
  ~LaneHost() override;

  AwakeHubs& hubs() { return hubs_; }
  HubRouter& router() { return router_; }
  ShardService& shards() { return shards_; }
  GatewayWatch& gateways() { return gateways_; }
  TurnScheduler& scheduler() { return scheduler_; }
  CommitAccounts& accounts() { return accounts_; }
  OperatorCalls& operators() { return operators_; }
  HubReader& reader() { return reader_; }
  HubRestorer& restorer() { return restorer_; }

  // The end of a turn of the loop, just before it sleeps: what has gathered leaves.
  void OnTurnEnd();

  // --- HubHost
  Store* store() override { return store_.get(); }
  FiberPool* fibers() override { return &fibers_; }
  Duration reap_interval() const override { return config_.reap_interval; }
  const HubLimits& limits() const override { return config_.limits; }
  void Release(EventOutput output) override;
  void Recall(const ConnectionId& closed, const ShardEpoch& shard, GatewayLinks::Recalled done) override {
    links_->Recall(closed, shard.shard, shard.epoch, std::move(done));
  }
  void AskAnswerTimes(const std::vector<ConnectionId>& connections, const ShardEpoch& shard,
                      const GatewayLinks::Answered& done) override {
    links_->AskAnswerTimes(connections, shard, done);
  }
  bool IsPresent(GatewayId gateway) const override { return links_->IsPresent(gateway); }
  std::vector<GatewayId> Linked() const override { return links_->Linked(); }
  uint32_t roll_generation() const override { return gateways_.roll_generation(); }
  void CommitSoon(std::shared_ptr<AwakeHub> hub) override { commits_.Add(std::move(hub)); }
  void Touch(AwakeHub* hub) override { hubs_.Touch(hub); }
  void SleepSoon(std::shared_ptr<AwakeHub> hub) override { hubs_.SleepSoon(std::move(hub)); }
  void RetrySoon(std::shared_ptr<AwakeHub> hub) override { scheduler_.RetrySoon(std::move(hub)); }
  void RunSoon(std::shared_ptr<AwakeHub> hub, WaitingLine line) override {
    scheduler_.RunSoon(std::move(hub), line);
  }
  void Yield() override { scheduler_.Yield(); }
  void ResumeSoon(Fiber* fiber) override { calls_.ResumeSoon(fiber); }
  HubCaller::Answer Call(HubCaller::Question question) override { return calls_.Call(std::move(question)); }
  uint32_t max_attempts() const override { return config_.max_attempts; }
  void AwaitSuspectTurn(std::shared_ptr<AwakeHub> hub) override { suspects_.Add(std::move(hub)); }
  void EndSuspectTurn() override { suspects_.EndTurn(); }
  Tracer* tracer() override { return config_.tracer; }
  void CountGivenUp() override { metrics_->given_up.Increment(); }
  void CountWake(int64_t us) override { metrics_->wake_seconds.Observe(static_cast<double>(us) / 1e6); }
  void CountFailedAlarm(bool again) override {
    (again ? metrics_->alarm_retries : metrics_->alarms_dropped).Increment();
  }
  void AlarmRan(const std::string& hub) override { alarms_.Ran(hub); }
  void AlarmDone(const std::string& hub, ShardId shard, int64_t next_due_ms) override {
    alarms_.Done(hub, shard, next_due_ms);
  }

 private:
  CommitGroup::Callbacks CommitCallbacks();
  void OnLeaseRenewed();
  void SetGauges();

  const LaneConfig& config_;
  StoreWatch* const store_watch_;
  LaneMetrics* const metrics_;
  uint64_t delivery_bytes_ = 0;  // of this turn
  FiberPool fibers_;
  OutgoingCalls calls_;

  // In the order of who needs whom; they go in the other.
  AwakeHubs hubs_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<GatewayLinks> links_;
  SuspectQueue suspects_;
  LeaseWatch lease_;
  TurnScheduler scheduler_;
  AlarmClock alarms_;
  HubRouter router_;
  GatewayWatch gateways_;
  ShardService shards_;
  CommitAccounts accounts_;
  CommitGroup commits_;
  OperatorCalls operators_;
  HubReader reader_;
  HubRestorer restorer_;
  Awaited awaited_;
};

}  // namespace dormouse
