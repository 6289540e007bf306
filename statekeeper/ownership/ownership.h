// This process as a member of the cluster: which shards it is to serve, from joining to leaving. Ties to one
// thread, and to each other, the parts that know how:
//
//   StoreSync         tells the store that it lives, and hears what is new there
//   Membership        who the others are, and who of them is suspected
//   Peers, PeerNotes  who of them can be reached; what they are told at once
//   MemberLease       until when its lanes may serve
//   ShardKeeper       who should own what: claims, hands over, drops
//   MapPublisher      what gateways and operators are shown
//   OperatorRequests  what operators, and the end of the process, ask for
//   Readiness         whether it serves what it should
//
// Each turn of its loop, after whatever has come, ends with a look at all of them (OnTurnEnd): none waits for
// another.
//
// Threading: construct, Start, HandOver, Stop and destroy on the main thread; the rest from any thread. It
// has a thread of its own, on which callbacks run.
#pragma once

#include <ev.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/lease.h"
#include "common/loop/task_queue.h"
#include "common/time.h"
#include "proto/link.pb.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/ownership/map_publisher.h"
#include "statekeeper/ownership/members/member_lease.h"
#include "statekeeper/ownership/members/membership.h"
#include "statekeeper/ownership/members/ownership_metrics.h"
#include "statekeeper/ownership/members/peer_notes.h"
#include "statekeeper/ownership/members/peer_service.h"
#include "statekeeper/ownership/members/peers.h"
#include "statekeeper/ownership/members/store_sync.h"
#include "statekeeper/ownership/operator_requests.h"
#include "statekeeper/ownership/readiness.h"
#include "statekeeper/ownership/shard_servers.h"
#include "statekeeper/ownership/shards/shard_keeper.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

class Ownership final : public ClusterAdmin {
 public:
  struct Config {
    MemberId id = 0;
    std::string address = {};    // HOST:PORT for gateways, other members and operators
    std::string unix_path = {};  // the same service on its own host
    std::string app_http = {};   // where its workers serve the app's HTTP (Member); empty: nowhere
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
  // A lane was told by the store that another process owns the shard, and has dropped it.
  void Fenced(ShardEpoch shard);
  // A lane was told by a gateway of an epoch that is above its own: another process owns the shard, or the
  // store says so less than it once did.
  void EpochSeen(ShardEpoch shard);
  // Gives all shards to others. Returns when that is done, when there is nobody to take them, or after
  // `patience`.
  void HandOver(Duration patience);
  // Leaves the cluster and ends the thread; what it still owned can be claimed at once. The lanes have
  // stopped.
  void Stop();

  // Empty: it has joined the cluster and serves what it should. Else why not, in a sentence.
  std::string NotReady() const { return readiness_.NotReady(); }
  // How the store is, that has carried out nothing that this member asked of it for a while; else kWell. (A part
  // of it may, that is to say, which lanes know better.)
  StoreReport store_report() const { return readiness_.store_report(); }

  // Gateways are told of these profiles from now on, of the same classes.
  void ChangeClasses(std::vector<link::ClassProfile> classes);
  // And that its workers serve the app's HTTP there (Config::app_http).
  void ChangeAppHttp(const std::string& path);

  // ClusterAdmin
  std::shared_ptr<const ClusterView> View() const override { return map_.View(); }
  void Evict(std::vector<ShardId> shards, std::function<void(std::string error)> done) override;
  void Drain(bool drain, std::function<void(std::string error)> done) override;

 private:
  PeerService::Handlers NewHandlers();
  void Run();
  void OnTick();
  void OnTurnEnd();
  void OnSynced(SteadyTime sent, const SyncAnswer& answer);
  void SetState(MemberState state);
  void UpdateReadiness(SteadyTime now);
  void SyncIfDue(SteadyTime now);
  // Whether nothing is under way that needs a look every few milliseconds.
  bool IsSettled(SteadyTime now) const;

  template <typename Watcher, void (Ownership::*method)()>
  static void Call(struct ev_loop*, Watcher* watcher, int) {
    (static_cast<Ownership*>(watcher->data)->*method)();
  }

  const Config config_;
  ShardServers* const servers_;
  OwnershipMetrics metrics_;
  struct ev_loop* const loop_;
  const std::shared_ptr<TaskQueue> queue_;
  const std::shared_ptr<PeerCalls> peer_calls_ = std::make_shared<PeerCalls>();
  PeerService service_;
  std::thread thread_;

  // On the ownership's thread, but where they say otherwise.
  Membership membership_;
  MemberLease lease_;
  MapPublisher map_;
  PeerNotes notes_;
  Readiness readiness_;
  SteadyTime last_tick_;
  SteadyTime logged_;
  ev_timer tick_;
  ev_prepare turn_end_;

  // While that thread runs.
  std::unique_ptr<ClusterStore> store_;
  std::unique_ptr<StoreSync> sync_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<ShardKeeper> keeper_;
  std::unique_ptr<OperatorRequests> requests_;
};

}  // namespace dormouse
