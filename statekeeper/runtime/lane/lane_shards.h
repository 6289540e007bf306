// All lanes of a process as one: what ownership tells them and operators ask of them goes to the lane that
// has the shard (shard modulo the number of lanes).
//
// Threading: as ShardServers and LaneOperator say; not on a lane's thread. The lanes outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "statekeeper/ownership/shard_servers.h"
#include "statekeeper/runtime/hub/hub_request.h"
#include "statekeeper/runtime/lane/lane.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

class LaneShards final : public ShardServers, public LaneOperator {
 public:
  LaneShards(std::vector<Lane*> lanes, uint32_t shard_count);

  // ShardServers
  void Serve(std::vector<TakenShard> shards, std::function<void()> done) override;
  void Retire(std::vector<ShardId> shards, Duration patience, std::function<void()> done) override;
  void Reinstate(std::vector<ShardId> shards) override;
  void Drop(std::vector<ShardEpoch> shards) override;

  // Calls a hub of this process (HubRequest). Any thread; `done` on its lane's, or on this one. False: its lane is too
  // busy, and `done` does not run.
  bool CallHub(const std::string& hub, std::string payload, HubRequest::Caller caller, HubRequest::Done done);
  // The same with a backend's request, of `bytes`. `until_ms` (SteadyMs): later it is not begun.
  bool CommandHub(const std::string& hub, std::shared_ptr<const api::Request> commands, int64_t until_ms,
                  size_t bytes, HubRequest::Done done);

  // LaneOperator
  void ListHubs(ShardId shard, std::string after, size_t limit,
                Answer<std::vector<HubSummary>> done) override;
  void DescribeHub(std::string hub, Answer<HubReport> done) override;
  void ListConnections(std::string hub, std::string after, size_t limit,
                       Answer<std::vector<ConnectionReport>> done) override;
  void HibernateHub(std::string hub, Done done) override;
  void CloseHub(std::string hub, Done done) override;
  void ReadHubs(ShardId shard, std::string after, Answer<HubsPage> done) override;
  void ReadHub(std::string hub, uint64_t reading, uint32_t page, Answer<HubPage> done) override;
  void RestoreHub(HubRestore restore, Answer<RestoreOutcome> done) override;

 private:
  Lane* LaneOf(ShardId shard) const { return lanes_[shard % lanes_.size()]; }
  Lane* LaneOf(const std::string& hub) const;
  // Hands each lane its part, with what it calls when that is done; `done` when all are.
  template <typename Each>
  void Split(const std::vector<Each>& shards, std::function<void()> done,
             std::function<void(Lane*, std::vector<Each>, std::function<void()>)> part);

  const std::vector<Lane*> lanes_;
  const uint32_t shard_count_;
};

}  // namespace dormouse
