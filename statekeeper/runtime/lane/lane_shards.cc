#include "statekeeper/runtime/lane/lane_shards.h"

#include <atomic>
#include <memory>
#include <utility>

#include "proto/api.pb.h"
#include "statekeeper/runtime/hub/backend_commands.h"

namespace dormouse {
namespace {

ShardId IdOf(ShardId shard) { return shard; }
ShardId IdOf(const TakenShard& shard) { return shard.shard; }
ShardId IdOf(const ShardEpoch& shard) { return shard.shard; }

void AnswerEvict(OperatorStatus status, HubRequest* request) {
  api::Reply reply;
  switch (status) {
    case OperatorStatus::kNotOwner:
      return request->Finish(HubRequest::Outcome::kNotOwner, "The hub has moved");
    case OperatorStatus::kStore:
      return request->Finish(HubRequest::Outcome::kStore, "The store is not available");
    case OperatorStatus::kBusy:
    case OperatorStatus::kCrowded:
      return request->Finish(HubRequest::Outcome::kAnswered,
                             BackendCommands::ReplyOf(api::Error::BUSY, "The hub does not come to rest."));
    case OperatorStatus::kOk:
    case OperatorStatus::kNoSuchHub:  // nothing is known of it
      break;
  }
  reply.add_results()->set_evicted(status == OperatorStatus::kOk);
  request->Finish(HubRequest::Outcome::kAnswered, reply.SerializeAsString());
}

}  // namespace

LaneShards::LaneShards(std::vector<Lane*> lanes, uint32_t shard_count)
    : lanes_(std::move(lanes)), shard_count_(shard_count) {}

Lane* LaneShards::LaneOf(const std::string& hub) const { return LaneOf(ShardOf(hub, shard_count_)); }

template <typename Each>
void LaneShards::Split(const std::vector<Each>& shards, std::function<void()> done,
                       std::function<void(Lane*, std::vector<Each>, std::function<void()>)> part) {
  std::vector<std::vector<Each>> parts(lanes_.size());
  for (const Each& each : shards) parts[IdOf(each) % lanes_.size()].push_back(each);
  // Nothing to do is done on a lane's thread, too.
  if (shards.empty()) lanes_[0]->Post(done);
  const auto left = std::make_shared<std::atomic<size_t>>(0);
  for (const auto& each : parts) left->fetch_add(each.empty() ? 0 : 1);
  const auto part_done = [left, done = std::move(done)] {
    if (left->fetch_sub(1) == 1) done();
  };
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) continue;
    Lane* const lane = lanes_[i];
    lane->Post([lane, part, each = std::move(parts[i]), part_done] { part(lane, each, part_done); });
  }
}

void LaneShards::Serve(std::vector<TakenShard> shards, std::function<void()> done) {
  Split<TakenShard>(shards, std::move(done), [](Lane* lane, const auto& part, const auto& part_done) {
    lane->host().shards().Serve(part);
    part_done();
  });
}

void LaneShards::Retire(std::vector<ShardId> shards, Duration patience, std::function<void()> done) {
  Split<ShardId>(shards, std::move(done), [patience](Lane* lane, const auto& part, const auto& part_done) {
    lane->host().shards().Retire(part, patience, part_done);
  });
}

void LaneShards::Reinstate(std::vector<ShardId> shards) {
  Split<ShardId>(
      shards, [] {},
      [](Lane* lane, const auto& part, const auto&) { lane->host().shards().Reinstate(part); });
}

void LaneShards::Drop(std::vector<ShardEpoch> shards) {
  Split<ShardEpoch>(
      shards, [] {}, [](Lane* lane, const auto& part, const auto&) { lane->host().shards().Drop(part); });
}

bool LaneShards::CallHub(const std::string& hub, std::string payload, HubRequest::Caller caller,
                         HubRequest::Done done) {
  Lane* const lane = LaneOf(hub);
  return lane->TryPost([lane, hub, payload = std::move(payload), caller = std::move(caller),
                        done = std::move(done)]() mutable {
    lane->host().router().OnRequest(
        hub, std::make_shared<HubRequest>(std::move(payload), std::move(caller), std::move(done)));
  });
}

bool LaneShards::CommandHub(const std::string& hub, std::shared_ptr<const api::Request> commands,
                            int64_t until_ms, size_t bytes, HubRequest::Done done) {
  Lane* const lane = LaneOf(hub);
  return lane->TryPost([lane, hub, commands = std::move(commands), until_ms, bytes, done = std::move(done)] {
    auto request = std::make_shared<HubRequest>(commands, until_ms, bytes, done);
    const HubClass* const hub_class = lane->host().hubs().FindClass(hub);
    const std::string wrong = hub_class == nullptr ? "" : hub_class->WhyNoHub(HubNameOf(hub));
    if (!wrong.empty()) {
      api::Reply refusal;
      refusal.mutable_error()->set_code(api::Error::BAD_REQUEST);
      refusal.mutable_error()->set_message(wrong + ".");
      return request->Finish(HubRequest::Outcome::kAnswered, refusal.SerializeAsString());
    }
    const bool evicts = commands->commands_size() == 1 && commands->commands(0).has_evict();
    if (!evicts) return lane->host().router().OnRequest(hub, std::move(request));
    if (!lane->host().router().IsServed(hub, request.get())) return;
    // It is of the lane's doing, and no event of the hub.
    const auto evicted = [request](OperatorStatus status) { AnswerEvict(status, request.get()); };
    if (commands->commands(0).evict().close()) {
      lane->host().operators().CloseHub(hub, evicted);
    } else {
      lane->host().operators().HibernateHub(hub, evicted);
    }
  });
}

void LaneShards::ListHubs(ShardId shard, std::string after, size_t limit,
                          Answer<std::vector<HubSummary>> done) {
  Lane* const lane = LaneOf(shard);
  if (!lane->TryPost([=] { lane->host().operators().ListHubs(shard, after, limit, done); }))
    done(OperatorStatus::kBusy, {});
}

void LaneShards::DescribeHub(std::string hub, Answer<HubReport> done) {
  Lane* const lane = LaneOf(hub);
  if (!lane->TryPost([=] { lane->host().operators().DescribeHub(hub, done); }))
    done(OperatorStatus::kBusy, {});
}

void LaneShards::ListConnections(std::string hub, std::string after, size_t limit,
                                 Answer<std::vector<ConnectionReport>> done) {
  Lane* const lane = LaneOf(hub);
  if (!lane->TryPost([=] { lane->host().operators().ListConnections(hub, after, limit, done); }))
    done(OperatorStatus::kBusy, {});
}

void LaneShards::HibernateHub(std::string hub, Done done) {
  Lane* const lane = LaneOf(hub);
  if (!lane->TryPost([=] { lane->host().operators().HibernateHub(hub, done); })) done(OperatorStatus::kBusy);
}

void LaneShards::CloseHub(std::string hub, Done done) {
  Lane* const lane = LaneOf(hub);
  if (!lane->TryPost([=] { lane->host().operators().CloseHub(hub, done); })) done(OperatorStatus::kBusy);
}

void LaneShards::ReadHubs(ShardId shard, std::string after, Answer<HubsPage> done) {
  Lane* const lane = LaneOf(shard);
  if (!lane->TryPost([=] { lane->host().reader().ReadHubs(shard, after, done); }))
    done(OperatorStatus::kCrowded, {});
}

void LaneShards::ReadHub(std::string hub, uint64_t reading, uint32_t page, Answer<HubPage> done) {
  Lane* const lane = LaneOf(hub);
  if (!lane->TryPost([=] { lane->host().reader().ReadHub(hub, reading, page, done); }))
    done(OperatorStatus::kCrowded, {});
}

void LaneShards::RestoreHub(HubRestore restore, Answer<RestoreOutcome> done) {
  Lane* const lane = LaneOf(restore.hub);
  const auto shared = std::make_shared<HubRestore>(std::move(restore));
  if (!lane->TryPost([=] { lane->host().restorer().Restore(shared, done); }))
    done(OperatorStatus::kCrowded, {});
}

}  // namespace dormouse
