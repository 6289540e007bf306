// A lane: one thread, one event loop, one store connection, and the hubs of a subset of the shards, which
// come and go while it runs.
//
//   GatewayLinks --OnEvent--> hub (woken if asleep) --writes--> CommitGroup --> Store
//                                                   --sends---> Release --> GatewayLinks
//
// Each turn of the loop ends with: commits handed to the store, batches written to gateways. Hubs are kept in
// the order of their last activity; one timer looks at the idlest. Beyond `max_awake` of them the idlest
// leave memory at once, and so does one that was woken for what is no activity (Context::DoNotStayAwake).
//
// Bounds. At most `max_handlers` handlers wait for the store at once; the hubs that are to be woken and the
// handlers that are to be begun anew because of that wait their turn (WaitingRoom), a few at a time in each
// turn of the loop. Hubs in memory that need no store go on meanwhile. What has waited for as long as the
// store may take to answer, while that is away, is answered as if it had waited for the store. When too many
// bytes wait, no more is taken from gateways (GatewayLinks::Hold).
//
// Shards. A served shard takes events; a retired one lets them wait while its hubs come to rest. While the
// lease has run out all shards' events and alarms wait; they go on by themselves when it is good again.
// Events of other shards, or of another epoch, are dropped: their gateway sends them to the owner.
//
// Suspects. Of a shard whose owners have died in a row (max_attempts - 1 of them) what was there before this
// one is suspect: see poison_guard.h.
//
// Threading: construct, Start, Stop and destroy on the main thread; Post and TryPost on any
// (lane_requests.h); everything else happens on the lane's own.
#pragma once

#include <ev.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/config/options.h"
#include "common/lease.h"
#include "common/shard.h"
#include "statekeeper/hub/registry.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/ownership/shard_servers.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/hub/awake_hub.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/hub_copy.h"
#include "statekeeper/runtime/lane/alarm_clock.h"
#include "statekeeper/runtime/lane/awaited.h"
#include "statekeeper/runtime/lane/commit_group.h"
#include "statekeeper/runtime/lane/hub_readings.h"
#include "statekeeper/runtime/lane/lane_metrics.h"
#include "statekeeper/runtime/lane/lane_requests.h"
#include "statekeeper/runtime/lane/served_shard.h"
#include "statekeeper/runtime/lane/suspect_turn.h"
#include "statekeeper/runtime/lane/waiting_room.h"
#include "statekeeper/runtime/lane_operator.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class Lane : public GatewayLinks::Receiver, private HubHost {
 public:
  struct Config {
    uint32_t lane = 0;
    uint32_t shard_count = 1024;  // of the cluster
    Duration hibernate_after{};
    Duration reap_interval{};
    Duration gateway_grace{};
    HubLimits limits;  // of each hub
    uint32_t max_handlers = 250;
    uint32_t max_awake = 20'000;
    Duration store_timeout{5'000};  // of a call
    uint32_t max_attempts = 3;
    SuspectTurn* suspects = nullptr;  // of the process; outlives the lane
    const Lease* lease = nullptr;     // outlives the lane
    // A commit was refused: another owner has the shard, and the lane has forgotten it. On the lane's thread.
    std::function<void(ShardEpoch)> fenced;
    // A gateway knows the shard in an epoch above this lane's. On the lane's thread; may be left out.
    std::function<void(ShardEpoch)> spoken_of = {};
  };

  Lane(Config config, const HubClassRegistry* classes, StoreFactory* stores, prometheus::Registry* registry);
  ~Lane() override;

  struct ev_loop* loop() {
    return loop_;
  }

  // Starts the thread, without shards. The lane owns `links`; the future is ready when it takes events.
  std::future<void> Start(std::unique_ptr<GatewayLinks> links);

  // Takes no more events, waits (at most `patience`) until what was taken is durable and handed over, ends
  // the thread. What is left then stays with the gateways, and is replayed.
  void Stop(Duration patience);

  // Runs a request on the lane's thread. See LaneRequests.
  bool Post(LaneRequests::Request request) { return requests_.Post(std::move(request)); }
  bool TryPost(LaneRequests::Request request) { return requests_.TryPost(std::move(request)); }

  // On the lane's thread: what may change while it runs. `classes`: those that there are, with other rules;
  // nullptr: as they were.
  struct Changes {
    Duration hibernate_after{};
    HubLimits limits;
    uint32_t max_awake = 0;
    std::shared_ptr<const HubClassRegistry> classes = nullptr;
  };
  void Change(const Changes& changes);

  // --- On the lane's thread: the lane's part of ShardServers (shard_servers.h).
  void Serve(const std::vector<TakenShard>& shards);
  void Retire(const std::vector<ShardId>& shards, Duration patience, std::function<void()> done);
  void Resume(const std::vector<ShardId>& shards);
  void Drop(const std::vector<ShardEpoch>& shards);

  // --- The same: its part of LaneOperator (lane_operator.h), for hubs and shards that fall to this lane.
  void ListHubs(ShardId shard, const std::string& after, size_t limit,
                LaneOperator::Answer<std::vector<HubSummary>> done);
  void DescribeHub(const std::string& hub, LaneOperator::Answer<HubReport> done);
  void ListConnections(const std::string& hub, std::string after, size_t limit,
                       LaneOperator::Answer<std::vector<ConnectionReport>> done);
  void HibernateHub(const std::string& hub, LaneOperator::Done done);
  void CloseHub(const std::string& hub, LaneOperator::Done done);
  void ReadHubs(ShardId shard, const std::string& after, LaneOperator::Answer<HubsPage> done);
  void ReadHub(const std::string& hub, uint64_t reading, uint32_t page, LaneOperator::Answer<HubPage> done);
  void RestoreHub(std::shared_ptr<HubRestore> restore, LaneOperator::Answer<RestoreOutcome> done);

  // For readiness; any thread.
  struct StoreReport {
    StoreState state = StoreState::kAway;
    std::string trouble = "no connection yet";
    friend bool operator==(const StoreReport&, const StoreReport&) = default;
  };
  StoreReport store_report() const;

 private:
  // GatewayLinks::Receiver
  void OnEvent(GatewayId gateway, const EventView& event) override;
  void OnGatewayGone(GatewayId gateway, const std::vector<std::string>& owed) override;
  void OnGatewayBack(GatewayId gateway) override;
  void OnLaterEpoch(const ShardEpoch& known) override {
    if (config_.spoken_of) config_.spoken_of(known);
  }
  void OnLookAt(const std::string& hub, bool sleep, Answer answer) override;
  void OnBatch(size_t events) override { metrics_.batch_events.Observe(static_cast<double>(events)); }

  // HubHost
  Store* store() override { return store_.get(); }
  FiberPool* fibers() override { return &fibers_; }
  Duration reap_interval() const override { return config_.reap_interval; }
  const HubLimits& limits() const override { return config_.limits; }
  void Release(EventOutput output) override;
  void Recall(const ConnectionId& closed, const ShardEpoch& shard, GatewayLinks::Recalled done) override {
    links_->Recall(closed, shard.shard, shard.epoch, std::move(done));
  }
  bool IsPresent(GatewayId gateway) const override { return links_->IsPresent(gateway); }
  std::vector<GatewayId> Linked() const override { return links_->Linked(); }
  uint32_t roll_generation() const override { return roll_generation_; }
  void CommitSoon(std::shared_ptr<AwakeHub> hub) override { commits_->Add(std::move(hub)); }
  void Touch(AwakeHub* hub) override;
  void SleepSoon(std::shared_ptr<AwakeHub> hub) override { drowsy_.push_back(std::move(hub)); }
  void RetrySoon(std::shared_ptr<AwakeHub> hub) override;
  void RunSoon(std::shared_ptr<AwakeHub> hub, WaitingRoom::Line line) override {
    room_.Add(std::move(hub), line);
  }
  uint32_t max_attempts() const override { return config_.max_attempts; }
  void AwaitSuspectTurn(std::shared_ptr<AwakeHub> hub) override;
  void EndSuspectTurn() override;
  void CountGivenUp() override { metrics_.given_up.Increment(); }
  void CountWake(int64_t us) override { metrics_.wake_seconds.Observe(static_cast<double>(us) / 1e6); }
  void CountFailedAlarm(bool again) override {
    (again ? metrics_.alarm_retries : metrics_.alarms_dropped).Increment();
  }
  void Yield() override;
  void AlarmRan(const std::string& hub) override { alarms_->Ran(hub); }
  void AlarmDone(const std::string& hub, ShardId shard, int64_t next_due_ms) override;

  void Run(std::promise<void> started);
  void OnTurnEnd();
  void ReportStore();
  void OnHibernationTimer();
  void OnGraceEnd();
  void EndConnectionsOfGoneGateways();
  // Lets in who waits, and those that have yielded.
  void OnLetInTimer();
  WaitingRoom::Open Open();
  bool IsOverdue(int64_t now_ms) const;
  // Arms its timer if there is somebody to let in.
  void LetInSoon();
  void LetIn(WaitingRoom::Waiter waiter, bool may_wait);
  void OnRetryTimer();
  // Asks for the turn of the next one of suspects_.
  void AskForSuspectTurn();
  void OnSuspectTurn();
  void OnLeaseTimer();
  void OnAlarm(const DueAlarm& alarm, ShardId shard);
  void OnStopRequest();
  void EndIfIdle();

  // nullptr: not served here.
  ServedShard* Find(ShardId shard);
  // Whether its events are handled now.
  bool MayServe(const ServedShard& shard) const { return !shard.retired && config_.lease->IsGood(); }
  // No hub will hear of it. Closes its connection, if there is a reason to be told.
  void Refuse(const ShardEpoch& shard, const HubEvent& event, std::string_view close_reason);
  // Hands an event to its hub, once the shard may be served.
  void Handle(std::string_view hub, ShardId id, ServedShard* shard, HubEvent event);
  // The same now, or, if the hub sleeps and there is no room to wake it, in its turn. The class exists.
  void Take(std::string_view hub, ShardId id, ServedShard* shard, HubEvent event);
  void HandleWaiting(ShardId id);
  void AwaitLease();
  bool IsKnownClass(std::string_view hub) const;
  AwakeHub* Wake(std::string_view name, ShardId id, ServedShard* shard);
  // The idlest hubs that can, leave memory until so many are left.
  void LetIdlestSleep();
  // Those that asked for it, and still have nothing to stay for.
  void LetDrowsySleep();
  void LeaveMemory(ServedShard* shard, AwakeHub* hub);
  // Hubs that can, leave memory. Whether none is left.
  bool LetSleep(const std::vector<ShardEpoch>& shards);
  void Quiesce(std::vector<ShardEpoch> shards, int64_t deadline_ms, std::function<void()> done);
  void Forget(ShardId shard);
  void OnFenced(const ShardEpoch& shard);
  // A served shard of an operator's hub, else what is wrong with the question.
  OperatorStatus FindFor(const std::string& hub, ShardEpoch* shard);
  AwakeHub* FindAwake(const std::string& hub, const ShardEpoch& shard);
  link::Look LookAt(const std::string& hub);
  void AwaitSleep(const std::string& hub, const ShardEpoch& shard, Duration patience,
                  LaneOperator::Done done);
  void CountShards();

  // --- Copies of hubs (lane_backup.cc, lane_restore.cc); all but the first three on a fiber.
  // A served shard, and room for a fiber that waits for the store.
  OperatorStatus MayCopy(ShardId shard, ShardEpoch* epoch);
  void NoteCommit(const ShardEpoch& shard, StoreStatus status);
  static OperatorStatus StatusOf(StoreStatus status);
  // With the same accounts as what hubs commit.
  StoreStatus CommitCopy(ShardCommit commit);
  OperatorStatus ReadShardOnFiber(ShardId shard, const std::string& after, HubsPage* page);
  OperatorStatus ReadOnFiber(const ShardEpoch& shard, uint64_t reading, uint32_t number, HubPage* page);
  OperatorStatus RestoreOnFiber(const HubRestore& restore, const ShardEpoch& shard, RestoreOutcome* outcome);
  OperatorStatus RestoreFirst(const HubRestore& restore, const ShardEpoch& shard, RestoreOutcome* outcome);
  OperatorStatus RestoreNext(const HubRestore& restore, const ShardEpoch& shard, RestoreOutcome* outcome);
  // Whether it came to rest: then it is suspended until LetGo, and has forgotten what it knew.
  bool HoldStill(const std::string& hub, const ShardEpoch& shard);
  void LetGo(const std::string& hub, const ShardEpoch& shard);
  // Marks the hub as one that is being restored.
  StoreStatus Mark(const HubRestore& restore, const ShardEpoch& shard);
  StoreStatus RemoveRows(const HubRestore& restore, const ShardEpoch& shard);
  StoreStatus WriteRows(const HubRestore& restore, const ShardEpoch& shard);
  // With these rows and the meta row the hub is complete.
  StoreStatus Finish(const HubRestore& restore, const ShardEpoch& shard, HubCommit commit);
  // Gateways have sockets that the hub may not know any more.
  void AskForSockets(const std::string& hub, const ShardEpoch& shard);

  // Watchers call a member function.
  template <typename Watcher, void (Lane::*method)()>
  static void Call(struct ev_loop*, Watcher* watcher, int) {
    (static_cast<Lane*>(watcher->data)->*method)();
  }

  Config config_;
  const HubClassRegistry* classes_;
  // Of Change, the newest last, and those before it that hubs in memory are of.
  std::vector<std::shared_ptr<const HubClassRegistry>> changed_classes_;
  StoreFactory* const stores_;
  LaneMetrics metrics_;
  struct LoopDeleter {
    void operator()(struct ev_loop* loop) const { ev_loop_destroy(loop); }
  };
  const std::unique_ptr<struct ev_loop, LoopDeleter> loop_owner_;
  struct ev_loop* const loop_;
  LaneRequests requests_;
  std::thread thread_;
  mutable std::mutex store_report_mutex_;
  StoreReport store_report_;  // only the lane's thread writes

  // The lane's thread only, from here on.
  std::unique_ptr<GatewayLinks> links_;
  std::unique_ptr<Store> store_;
  bool store_was_well_ = false;
  FiberPool fibers_;
  std::unique_ptr<CommitGroup> commits_;
  std::unique_ptr<AlarmClock> alarms_;
  std::unique_ptr<Awaited> awaited_;
  HubReadings readings_;

  std::unordered_map<ShardId, ServedShard> shards_;
  std::list<AwakeHub*> by_idle_time_;  // all hubs in memory, idlest first
  std::vector<std::shared_ptr<AwakeHub>> drowsy_;
  size_t hibernated_since_trim_ = 0;
  WaitingRoom room_;
  std::deque<std::shared_ptr<AwakeHub>> suspects_;  // await their turn
  bool suspect_asked_ = false;                      // or one has it
  bool let_in_later_ = false;                       // its timer runs with a delay
  bool holding_ = false;                            // nothing more is taken from gateways
  std::deque<Fiber*> yielded_;
  std::vector<std::shared_ptr<AwakeHub>> to_retry_;
  uint32_t roll_generation_ = 0;
  bool gone_waits_ = false;  // gateways vanished while the lease had run out
  bool stopping_ = false;
  int64_t stop_deadline_ms_ = 0;
  uint64_t event_bytes_ = 0;     // of this turn, for metrics
  uint64_t delivery_bytes_ = 0;  // the same

  ev_prepare turn_end_;
  ev_timer hibernation_timer_;
  ev_timer grace_timer_;
  ev_timer let_in_timer_;
  ev_timer retry_timer_;
  ev_timer lease_timer_;  // runs while something waits for the lease
  ev_async stop_request_;
  ev_async suspect_turn_;  // it is this lane's
  std::atomic<int64_t> stop_patience_ms_{0};
};

}  // namespace dormouse
