#include "statekeeper/ownership/shards/shard_moves.h"

#include <algorithm>
#include <utility>

namespace dormouse {
namespace {

constexpr Duration kRetirePatience{2'000};
constexpr Duration kOfferDeadline{2'000};
constexpr Duration kPauseAfterFailedMove{500};

}  // namespace

ShardMoves::ShardMoves(MemberId self, ShardServers* servers, PeerOffers* peers,
                       std::shared_ptr<TaskQueue> queue, OwnershipMetrics* metrics, Owner* owner)
    : self_(self),
      servers_(servers),
      peers_(peers),
      queue_(std::move(queue)),
      metrics_(metrics),
      owner_(owner) {}

size_t ShardMoves::Room(MemberId to, SteadyTime now) const {
  if (to != self_ && !peers_->IsReachable(to)) return 0;
  const auto at = traffic_.find(to);
  if (at == traffic_.end()) return kBatchesPerMember * kBatchShards;
  if (now < at->second.not_before) return 0;
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
                   [this, queue = queue_, to, shards = std::move(shards), began = SteadyClock::now()] {
                     queue->Post([this, to, shards, began] { OnRetired(to, shards, began); });
                   });
}

void ShardMoves::OnRetired(MemberId to, const Shards& shards, SteadyTime began) {
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
  if (!stay.empty()) owner_->OnRefused(stay);
  if (go.empty() || to == self_) {
    --traffic_[to].batches;
    if (!go.empty()) owner_->OnUnclear(go);
    return;
  }
  peers_->Offer(to, std::move(request), kOfferDeadline,
                [this, to, go, began](std::unique_ptr<peer::OfferAnswer> answer) {
                  OnAnswer(to, go, began, std::move(answer));
                });
}

void ShardMoves::OnAnswer(MemberId to, const Shards& shards, SteadyTime began,
                          std::unique_ptr<peer::OfferAnswer> answer) {
  --traffic_[to].batches;
  if (answer != nullptr && answer->refused()) {
    Failed(to, shards.size());
    owner_->OnRefused(shards);
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
    metrics_->hand_over_seconds.Observe(std::chrono::duration<double>(SteadyClock::now() - began).count());
    owner_->OnMoved(shard, to, at->second);
  }
  if (unclear.empty()) return;
  Failed(to, unclear.size());
  owner_->OnUnclear(unclear);
}

void ShardMoves::Failed(MemberId to, size_t shards) {
  metrics_->hand_over_failures.Increment(static_cast<double>(shards));
  traffic_[to].not_before = SteadyClock::now() + kPauseAfterFailedMove;
}

}  // namespace dormouse
