// The hubs of a lane that are in memory: which, of which shard, since when they are idle, and when they leave
// memory. Asleep, a hub costs nothing here.
//
// Sleep. Hubs are kept in the order of their last activity; one timer looks at the idlest. Beyond `max_awake`
// of them the idlest leave at once, at the end of a turn, and so does one that was woken for what is no
// activity (Context::DoNotStayAwake). Only one with nothing under way may go (AwakeHub::CanSleep). When many
// have left, their memory goes back to the system.
//
// One lane's thread and loop.
#pragma once

#include <ev.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/config/options.h"
#include "common/shard.h"
#include "statekeeper/hub/registry.h"
#include "statekeeper/runtime/hub/awake_hub.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/lane/lane_metrics.h"
#include "statekeeper/runtime/lane/served_shard.h"

namespace dormouse {

class AwakeHubs {
 public:
  struct Config {
    uint32_t lane = 0;
    Duration hibernate_after{};
    size_t max_awake = 0;
  };
  // All outlive it; `host` is what the hubs get.
  AwakeHubs(struct ev_loop* loop, const Config& config, const HubClassRegistry* classes, HubHost* host,
            LaneMetrics* metrics);
  ~AwakeHubs();
  AwakeHubs(const AwakeHubs&) = delete;
  AwakeHubs& operator=(const AwakeHubs&) = delete;

  // nullptr: not served here.
  ServedShard* Find(ShardId shard);
  std::unordered_map<ShardId, ServedShard>& shards() { return shards_; }
  // Its hubs are deposed.
  void Remove(ShardId shard);

  // nullptr: it sleeps, or its shard is not served in that epoch.
  AwakeHub* Find(const std::string& hub, const ShardEpoch& shard);
  // In the order of their last activity.
  std::vector<AwakeHub*> All() const { return {by_idle_time_.begin(), by_idle_time_.end()}; }
  size_t size() const { return by_idle_time_.size(); }
  // Whether all of them could sleep. `abandon`: as above.
  bool AreIdle(bool abandon = false) const;

  // Into memory. It is asleep, and its class exists.
  AwakeHub* Wake(std::string_view name, const ShardEpoch& shard);
  // Out of memory. It can sleep.
  void Sleep(AwakeHub* hub);
  // All that can, of shards that are retired, if they are in that epoch still. Whether none is left. `abandon`: their
  // deferred events, too, which gateways then send to the next owner.
  bool LetSleep(const std::vector<ShardEpoch>& shards, bool abandon = false);

  // --- See HubHost.
  void Touch(AwakeHub* hub) { by_idle_time_.splice(by_idle_time_.end(), by_idle_time_, hub->place); }
  void SleepSoon(std::shared_ptr<AwakeHub> hub) { drowsy_.push_back(std::move(hub)); }

  // The end of a turn of the loop.
  void OnTurnEnd();

  // nullptr: there is none.
  const HubClass* FindClass(std::string_view hub) const { return classes_->Find(HubClassOf(hub)); }
  std::vector<std::string> ClassNames() const;
  // `classes`: those that there are, with other rules; nullptr: as they were.
  void Change(Duration hibernate_after, size_t max_awake, std::shared_ptr<const HubClassRegistry> classes);
  // From now on none leaves memory because it has been idle for long.
  void StopHibernation();

 private:
  static void OnTimer(struct ev_loop* loop, ev_timer* timer, int events);
  void ArmIn(int64_t ms);
  void LookAtIdlest();
  // Those that asked for it, and still have nothing to stay for.
  void LetDrowsySleep();
  // The idlest that can, until so many are left.
  void LetIdlestSleep();
  // Of what the classes have on this lane.
  void Begin(const HubClassRegistry& classes);
  void End(const HubClassRegistry& classes);
  void ChangeClasses(std::shared_ptr<const HubClassRegistry> classes);

  struct ev_loop* const loop_;
  Config config_;
  const HubClassRegistry* classes_;
  const HubClassRegistry* const first_classes_;
  // Of Change, the newest last, and those before it that hubs in memory are of.
  std::vector<std::shared_ptr<const HubClassRegistry>> changed_classes_;
  HubHost* const host_;
  LaneMetrics* const metrics_;
  std::unordered_map<ShardId, ServedShard> shards_;
  std::list<AwakeHub*> by_idle_time_;  // idlest first
  std::vector<std::shared_ptr<AwakeHub>> drowsy_;
  size_t hibernated_since_trim_ = 0;
  bool hibernates_ = true;
  ev_timer timer_;
};

}  // namespace dormouse
