#include "statekeeper/ownership/shard_moves.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"

namespace dormouse {
namespace {

constexpr Duration kRetirePatience{2'000};
constexpr Duration kOfferDeadline{2'000};
constexpr int64_t kPauseAfterFailureMs = 500;

}  // namespace

ShardMoves::ShardMoves(MemberId self, ShardServers* servers, Peers* peers, std::shared_ptr<TaskQueue> queue,
                       OwnershipMetrics* metrics, Owner* owner)
    : self_(self),
      servers_(servers),
      peers_(peers),
      queue_(std::move(queue)),
      metrics_(metrics),
      owner_(owner) {}

size_t ShardMoves::Room(MemberId to, int64_t steady_ms) const {
  if (to != self_ && !peers_->IsReachable(to)) return 0;
  const auto at = traffic_.find(to);
  if (at == traffic_.end()) return kBatchesPerMember * kBatchShards;
  if (steady_ms < at->second.not_before_ms) return 0;
  return (kBatchesPerMember - at->second.batches) * kBatchShards;
}

void ShardMoves::Start(MemberId to, const Shards& shards) {
  for (size_t i = 0; i < shards.size(); i += kBatchShards) {
    const size_t end = std::min(i + kBatchShards, shards.size());
    StartBatch(
        to, Shards(shards.begin() + static_cast<ptrdiff_t>(i), shards.begin() + static_cast<ptrdiff_t>(end)));
  }
}

void ShardMoves::StartBatch(MemberId to, Shards shards) {
  ++traffic_[to].batches;
  std::vector<ShardId> ids;
  for (const ShardEpoch& shard : shards) ids.push_back(shard.shard);
  servers_->Retire(std::move(ids), kRetirePatience,
                   [this, queue = queue_, to, shards = std::move(shards), began_ms = SteadyMs()] {
                     queue->Post([this, to, shards, began_ms] { OnRetired(to, shards, began_ms); });
                   });
}

void ShardMoves::OnRetired(MemberId to, const Shards& shards, int64_t began_ms) {
  Shards stay;
  Shards go;
  peer::OfferRequest request;
  for (const ShardEpoch& shard : shards) {
    if (!owner_->IsToMove(shard, to)) {
      stay.push_back(shard);
      continue;
    }
    go.push_back(shard);
    peer::OfferRequest::Shard* offered = request.add_shards();
    offered->set_shard(shard.shard);
    offered->set_epoch(shard.epoch);
    offered->set_avoid(owner_->AvoidedBy(shard.shard));
  }
  if (!stay.empty()) owner_->OnStays(stay);
  if (go.empty() || to == self_) {
    --traffic_[to].batches;
    if (!go.empty()) owner_->OnUnclear(go);
    return;
  }
  peers_->Offer(to, std::move(request), kOfferDeadline,
                [this, to, go, began_ms](std::unique_ptr<peer::OfferAnswer> answer) {
                  OnAnswer(to, go, began_ms, std::move(answer));
                });
}

void ShardMoves::OnAnswer(MemberId to, const Shards& shards, int64_t began_ms,
                          std::unique_ptr<peer::OfferAnswer> answer) {
  --traffic_[to].batches;
  if (answer != nullptr && answer->refused()) {
    Failed(to, shards.size());
    owner_->OnStays(shards);
    return;
  }
  std::map<ShardId, uint32_t> claimed;
  if (answer != nullptr) {
    for (const peer::OfferAnswer::Shard& shard : answer->claimed()) {
      claimed[static_cast<ShardId>(shard.shard())] = shard.epoch();
    }
  }
  Shards unclear;
  for (const ShardEpoch& shard : shards) {
    const auto at = claimed.find(shard.shard);
    if (at == claimed.end() || at->second <= shard.epoch) {
      unclear.push_back(shard);
      continue;
    }
    metrics_->hand_overs.Increment();
    metrics_->hand_over_seconds.Observe(static_cast<double>(SteadyMs() - began_ms) / 1000);
    owner_->OnMoved(shard, to, at->second);
  }
  if (unclear.empty()) return;
  Failed(to, unclear.size());
  owner_->OnUnclear(unclear);
}

void ShardMoves::Failed(MemberId to, size_t shards) {
  metrics_->hand_over_failures.Increment(static_cast<double>(shards));
  traffic_[to].not_before_ms = SteadyMs() + kPauseAfterFailureMs;
}

}  // namespace dormouse
