// This process's membership of the cluster: says in the store that it lives, watches the other members,
// decides by the placement what it should own, and has ShardKeeper see to it.
//
// Members. Sync renews the entry each third of the TTL, and at once where something changed: members tell
// each other so (peers.h). A new member joins for a moment first, so that gateways have linked to it when it
// is given shards. A member that a majority of the others cannot reach (placement.h) is replaced without
// waiting for its TTL.
//
// Lease. Lanes serve while it is good: two thirds of a TTL from each renewal. When nobody reaches the store,
// as far as this member can see, it is prolonged here: hubs then go on with what needs no commit, and the
// fence in the store protects the rest. Who alone cannot reach the store stops.
//
// A store that has lost time (cluster_store.h) is not what lanes remember: all shards are claimed anew.
//
// After a time in which the store was away, or this process paused, nothing is taken from members that are
// missing for half a TTL: they may not have had the time to say that they live.
//
// Threading: construct, Start, HandOver, Stop and destroy on the main thread; the rest from any thread. It
// has a thread of its own, on which callbacks run.
#pragma once

#include <ev.h>
#include <prometheus/registry.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/config/options.h"
#include "common/lease.h"
#include "proto/link.pb.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/ownership/member.h"
#include "statekeeper/ownership/ownership_metrics.h"
#include "statekeeper/ownership/peer_service.h"
#include "statekeeper/ownership/peers.h"
#include "statekeeper/ownership/shard_keeper.h"
#include "statekeeper/ownership/shard_servers.h"
#include "statekeeper/ownership/task_queue.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

class Ownership final : public ClusterAdmin {
 public:
  struct Config {
    MemberId id = 0;
    std::string address = {};    // HOST:PORT for gateways, other members and operators
    std::string unix_path = {};  // the same service on its own host
    // For calls to other members by their addresses; nullptr: none.
    std::shared_ptr<const LinkCredentials> credentials = nullptr;
    uint32_t lanes = 1;
    uint32_t shard_count = 1024;
    std::string cluster_id = {};  // StoreFactory::cluster_id
    Duration member_ttl{3'000};
    bool shared = true;  // false: no other process can use the store, all shards are this one's
    std::vector<link::ClassProfile> classes = {};  // for the shard map
    // For gateways; called on the ownership's thread. `withdraw`: the last map may be out of date.
    std::function<void(link::ShardMap)> publish = {};
    std::function<void()> withdraw = {};
    std::function<std::unique_ptr<ClusterStore>(struct ev_loop*)> new_store = {};
  };

  // `lease`, `servers` and `registry` outlive it.
  Ownership(Config config, Lease* lease, ShardServers* servers, prometheus::Registry* registry);
  // Without Stop: as if the process had been killed, the entry stays until it lapses.
  ~Ownership() override;

  // What other members call: for the server of the edge link, which is to listen before Start, and must be
  // gone before this object is.
  LinkService* service() { return &service_; }

  void Start();
  // A lane was told by the store that another process owns the shard, and has forgotten it.
  void Fenced(ShardEpoch shard);
  // A lane was told by a gateway of an epoch that is above its own: another process owns the shard, or the
  // store says so less than it once did.
  void SpokenOf(ShardEpoch shard);
  // Gives all shards to others. Returns when that is done, when there is nobody to take them, or after
  // `patience`.
  void HandOver(Duration patience);
  // Leaves the cluster and ends the thread; what it still owned can be claimed at once. The lanes have
  // stopped.
  void Stop();

  // Empty: it has joined the cluster and serves what it should. Else why not, in a sentence.
  std::string NotReady() const;
  // The store has told this member nothing for a while, though it was asked. (A part of it may, that is to
  // say, which lanes know better.)
  bool StoreIsSilent() const { return store_is_silent_.load(std::memory_order_relaxed); }

  // Gateways are told of these profiles from now on, of the same classes.
  void ChangeClasses(std::vector<link::ClassProfile> classes);

  // ClusterAdmin
  ClusterView View() const override;
  void Evict(std::vector<ShardId> shards, std::function<void(std::string error)> done) override;
  void Drain(bool drain, std::function<void(std::string error)> done) override;

 private:
  struct Eviction {
    std::vector<ShardEpoch> shards;  // in the epochs that are to end
    int64_t deadline_ms = 0;
    std::function<void(std::string)> done;
  };

  void Run();
  void OnTick();
  // Whether nothing is under way that needs a look every few milliseconds.
  bool IsSettled(int64_t now) const;
  void OnTurnEnd();
  void End();

  void SyncIfDue(int64_t now);
  void OnSynced(int64_t sent_ms, StoreStatus status, const SyncAnswer& answer);
  void FollowStoreClock(int64_t wall_ms, int64_t sent_ms, int64_t now);
  void TakeMembers(const std::vector<MemberEntry>& entries);
  void LogChanges(const std::vector<Member>& members, const std::vector<MemberId>& suspects) const;
  void SyncSoon() { sync_wanted_ = true; }
  void SetState(MemberState state);
  int64_t StoreSilenceMs() const;
  bool ReachesStore(int64_t now) const;
  bool IsAlone() const { return members_.size() <= 1; }
  bool OthersServe() const;
  bool SuspicionPending() const;
  void RenewLease(int64_t until_ms);
  void ProlongLease(int64_t now);
  void TellPeers(int64_t now);
  void PublishMap(int64_t now);
  // Before an operator is answered, who may look at once: not some milliseconds later.
  void PublishMapNow(int64_t now);
  void PublishView();
  link::ShardMap NewMap();
  ClusterView NewView() const;
  void SettleEvictions(int64_t now);
  void SettleDrain(int64_t now);
  void UpdateReadiness(int64_t now);

  template <typename Watcher, void (Ownership::*method)()>
  static void Call(struct ev_loop*, Watcher* watcher, int) {
    (static_cast<Ownership*>(watcher->data)->*method)();
  }

  const Config config_;
  Lease* const lease_;
  ShardServers* const servers_;
  OwnershipMetrics metrics_;
  struct ev_loop* const loop_;
  const std::shared_ptr<TaskQueue> queue_;
  const std::shared_ptr<PeerCalls> peer_calls_ = std::make_shared<PeerCalls>();
  PeerService service_;
  std::thread thread_;

  mutable std::mutex view_mutex_;
  std::shared_ptr<const ClusterView> view_;  // the newest
  std::atomic<bool> store_is_silent_{false};
  std::string not_ready_ = "it has not reached the store yet";

  // The ownership's thread only, from here on.
  std::vector<link::ClassProfile> classes_;
  std::unique_ptr<ClusterStore> store_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<ShardKeeper> keeper_;
  Member self_;
  std::vector<Member> members_;  // as the store told last, this one among them; empty: it has not yet
  std::vector<MemberId> suspects_;
  uint64_t table_version_ = 0;

  std::string known_record_;  // what the store has of this member
  bool sync_wanted_ = true;
  bool sync_under_way_ = false;
  int64_t sync_sent_ms_ = 0;    // of the one under way, or the last
  int64_t synced_sent_ms_ = 0;  // of the last that succeeded
  bool sync_failed_ = false;    // the last one
  std::string unsafe_;          // SyncAnswer
  bool store_clock_off_ = false;
  bool leaving_ = false;  // another Sync would bring the member back
  int64_t force_not_before_ms_ = 0;
  int64_t suspicion_since_ms_ = 0;  // 0: none is pending
  int64_t lease_until_ms_ = 0;

  int64_t last_tick_ms_ = 0;
  int64_t running_since_ms_ = 0;  // without a pause
  int64_t joined_ms_ = 0;         // the first answer of the store
  int64_t told_ms_ = 0;
  peer::Note note_;
  bool note_is_new_ = false;
  int64_t published_ms_ = 0;
  bool map_withdrawn_ = false;
  bool map_is_new_ = false;
  uint64_t map_version_ = 0;
  int64_t logged_ms_ = 0;
  bool was_complete_ = false;

  std::vector<Eviction> evictions_;
  std::vector<std::function<void(std::string)>> drains_;
  std::function<void()> handed_over_;  // present while HandOver waits
  int64_t hand_over_deadline_ms_ = 0;

  ev_timer tick_;
  ev_prepare turn_end_;
};

}  // namespace dormouse
