#include "statekeeper/ownership/shards/shard_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "common/logging.h"

namespace dormouse {
namespace {

constexpr size_t kClaimsPerCall = 256;
constexpr size_t kClaimsUnderWay = 1024;
constexpr size_t kOfferedAtOnce = 256;
constexpr Duration kPauseAfterFailure{200};
// Epochs count seconds since 2020 and changes of owner: one beyond this is nobody's, and there must be room
// above.
constexpr uint32_t kHighestEpoch = std::numeric_limits<uint32_t>::max() / 2;

}  // namespace

ShardKeeper::ShardKeeper(MemberId self, uint32_t shard_count, ClusterStore* store, ShardServers* servers,
                         PeerOffers* peers, const std::shared_ptr<TaskQueue>& queue,
                         OwnershipMetrics* metrics, Callbacks callbacks)
    : self_(self),
      store_(store),
      servers_(servers),
      queue_(queue),
      metrics_(metrics),
      callbacks_(std::move(callbacks)),
      moves_(self, servers, peers, queue, metrics, this),
      table_(shard_count),
      states_(shard_count, servers, &metrics->shards),
      desired_(shard_count) {}

void ShardKeeper::Learn(const std::vector<ShardEntry>& entries) {
  size_t lost = 0;
  for (const ShardEntry& entry : entries) {
    const ShardId shard = entry.shard;
    if (!table_.Learn(entry)) continue;
    const KnownShard& known = table_.at(shard);
    desired_[shard] = placement_.DesiredOwner(shard, known.avoid);
    if (known.owner == self_ || known.epoch <= states_.epoch(shard)) continue;
    const bool was_leaving = states_.at(shard) == ShardState::kLeaving;
    if (!states_.Apply(ShardEvent::kTaken, shard)) continue;
    // One that is leaving has arrived: the table told sooner than the one that took it.
    ++(was_leaving ? summary_.given : lost);
  }
  summary_.lost += lost;
  metrics_->losses.Increment(static_cast<double>(lost));
  states_.TellLanes();
  if (!entries.empty()) callbacks_.on_change();
}

void ShardKeeper::SetPlacement(Placement placement, std::vector<MemberId> fit) {
  fit_ = std::move(fit);
  if (placement == placement_) return;
  placement_ = std::move(placement);
  for (size_t i = 0; i < desired_.size(); ++i) {
    const auto shard = static_cast<ShardId>(i);
    desired_[i] = placement_.DesiredOwner(shard, table_.at(shard).avoid);
  }
}

void ShardKeeper::Plan(SteadyTime now, bool may_force) {
  const bool store_answers = now >= store_not_before_;
  if (store_answers) PlanClaims(may_force);
  PlanMoves(now);
  if (store_answers && !unpublished_.empty()) {
    Publish(std::vector<ShardId>(unpublished_.begin(), unpublished_.end()), nullptr);
  }
}

bool ShardKeeper::IsFit(MemberId id) const { return std::binary_search(fit_.begin(), fit_.end(), id); }

bool ShardKeeper::IsToClaim(ShardId shard, bool may_force) const {
  const ShardState state = states_.at(shard);
  if (state == ShardState::kServed) return to_reclaim_.contains(shard);
  if (state == ShardState::kLost) return true;  // this cannot take it from anybody: the epoch is over
  if (!IsAway(state)) return false;
  const KnownShard& known = table_.at(shard);
  // Until somebody else has done it.
  if (state == ShardState::kOutdated && known.epoch < table_.highest(shard)) return true;
  if (known.owner == self_) return true;  // an answer got lost
  return may_force && desired_[shard] == self_ && !IsFit(known.owner);
}

void ShardKeeper::PlanClaims(bool may_force) {
  std::vector<ShardClaim> claims;
  for (size_t i = 0; i < states_.size() && claiming_ < kClaimsUnderWay; ++i) {
    const auto shard = static_cast<ShardId>(i);
    if (!IsToClaim(shard, may_force)) continue;
    const ShardState state = states_.at(shard);
    const bool has_epoch = state == ShardState::kServed || state == ShardState::kLost;
    claims.push_back({.shard = shard, .epoch = has_epoch ? states_.epoch(shard) : table_.at(shard).epoch});
    if (claims.size() == kClaimsPerCall) Claim(std::exchange(claims, {}), nullptr);
  }
  Claim(std::move(claims), nullptr);
}

void ShardKeeper::PlanMoves(SteadyTime now) {
  struct Leaving {
    size_t room;
    std::vector<ShardEpoch> shards;
  };
  std::map<MemberId, Leaving> leaving;
  for (size_t i = 0; i < states_.size(); ++i) {
    const auto shard = static_cast<ShardId>(i);
    if (states_.at(shard) != ShardState::kServed) continue;
    const bool stays_here = evicted_here_.contains(shard);
    const MemberId to = stays_here ? self_ : desired_[i];
    if (to == 0 || (to == self_ && !stays_here) || offered_.contains(to)) continue;
    auto at = leaving.find(to);
    if (at == leaving.end()) at = leaving.emplace(to, Leaving{moves_.Room(to, now), {}}).first;
    if (at->second.shards.size() >= at->second.room) continue;
    at->second.shards.push_back({shard, states_.epoch(shard)});
  }
  for (const auto& [to, batch] : leaving) {
    for (const ShardEpoch& shard : batch.shards) states_.Apply(ShardEvent::kMoveBegun, shard.shard);
    moves_.Start(to, batch.shards);
  }
}

void ShardKeeper::OnMembersKnown(SteadyTime when) {
  std::erase_if(offered_, [when](const auto& each) { return each.second < when; });
}

void ShardKeeper::OnOffer(const peer::OfferRequest& request, bool accept, SteadyTime now,
                          PeerService::Reply reply) {
  if (!accept) {
    peer::OfferAnswer answer;
    answer.set_refused(true);
    reply(std::move(answer));
    return;
  }
  offered_[request.from()] = now;
  std::vector<ShardClaim> claims;
  std::vector<ShardId> asked;
  for (const peer::OfferRequest::Shard& offered : request.shards()) {
    if (offered.shard() >= states_.size() || asked.size() == kOfferedAtOnce) continue;
    const auto shard = static_cast<ShardId>(offered.shard());
    asked.push_back(shard);
    if (!IsAway(states_.at(shard))) continue;
    SetAvoid(shard, offered.avoid());
    claims.push_back({.shard = shard, .epoch = offered.epoch(), .given = true});
  }
  summary_.received += claims.size();
  Claim(std::move(claims), [this, asked = std::move(asked), reply = std::move(reply)] {
    peer::OfferAnswer answer;
    for (const ShardId shard : asked) {
      if (ServedEpoch(shard) == 0) continue;  // the offerer is to look for itself
      peer::OfferAnswer::Shard* claimed = answer.add_claimed();
      claimed->set_shard(shard);
      claimed->set_epoch(ServedEpoch(shard));
    }
    reply(std::move(answer));
  });
}

void ShardKeeper::OnFenced(const ShardEpoch& shard) {
  if (shard.shard >= states_.size() || !states_.Has(shard)) return;  // or of an earlier life
  states_.Apply(ShardEvent::kFenced, shard.shard);
  ++summary_.lost;
  metrics_->losses.Increment();
}

void ShardKeeper::OnEpochSeen(const ShardEpoch& seen) {
  if (seen.shard >= states_.size()) return;
  if (seen.epoch > kHighestEpoch) {
    const LogAbout about({.shard = seen.shard});
    SPDLOG_ERROR("a gateway speaks of epoch {}, which there cannot be", seen.epoch);
    return;
  }
  table_.Saw(seen.shard, seen.epoch);
  // If it has another owner the claim fails, and tells who that is.
  if (IsHeld(states_.at(seen.shard)) && states_.epoch(seen.shard) < seen.epoch)
    to_reclaim_.insert(seen.shard);
}

void ShardKeeper::ReclaimAll() {
  for (const ShardEpoch& held : Held()) to_reclaim_.insert(held.shard);
}

bool ShardKeeper::Evict(ShardId shard) {
  if (shard >= states_.size() || states_.at(shard) != ShardState::kServed) return false;
  if (placement_.DesiredOwner(shard, self_) == self_ || placement_.empty()) {
    evicted_here_.insert(shard);
    return true;
  }
  SetAvoid(shard, self_);
  unpublished_.insert(shard);
  return true;
}

uint32_t ShardKeeper::ServedEpoch(ShardId shard) const {
  return states_.at(shard) == ShardState::kServed ? states_.epoch(shard) : 0;
}

bool ShardKeeper::IsComplete() const {
  if (!placement_.Includes(self_)) return false;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (desired_[i] == self_ && states_.at(static_cast<ShardId>(i)) != ShardState::kServed) return false;
  }
  return true;
}

std::string ShardKeeper::TakeSummary() {
  if (summary_.IsEmpty()) return {};
  const Summary summary = std::exchange(summary_, {});
  std::string text = fmt::format("{} shards here", held());
  if (summary.claimed > 0) text += fmt::format(", {} claimed", summary.claimed);
  if (summary.received > 0) text += fmt::format(", {} offered by their owners", summary.received);
  if (summary.given > 0) text += fmt::format(", {} handed over", summary.given);
  if (summary.lost > 0) text += fmt::format(", {} lost to others", summary.lost);
  if (summary.reclaimed > 0) {
    text += fmt::format(", {} of them anew, above what the store had said", summary.reclaimed);
  }
  return text;
}

bool ShardKeeper::IsToMove(const ShardEpoch& shard, MemberId to) const {
  if (states_.at(shard.shard) != ShardState::kLeaving || !states_.Has(shard)) return false;
  return to == (evicted_here_.contains(shard.shard) ? self_ : desired_[shard.shard]);
}

void ShardKeeper::OnMoved(const ShardEpoch& shard, MemberId to, uint32_t now) {
  const KnownShard known = table_.at(shard.shard);
  if (now > known.epoch) table_.Set(shard.shard, {to, now, known.avoid});
  const bool was_here = states_.Has(shard);
  if (was_here || IsAway(states_.at(shard.shard))) {
    if (states_.Apply(ShardEvent::kMoved, shard.shard) && was_here) ++summary_.given;
  }
  states_.TellLanes();
  callbacks_.on_change();
}

void ShardKeeper::OnRefused(const std::vector<ShardEpoch>& shards) {
  for (const ShardEpoch& shard : shards) {
    if (states_.Has(shard)) states_.Apply(ShardEvent::kMoveRefused, shard.shard);
  }
  states_.TellLanes();
}

void ShardKeeper::OnUnclear(const std::vector<ShardEpoch>& shards) {
  std::vector<ShardClaim> claims;
  for (const ShardEpoch& shard : shards) {
    if (states_.at(shard.shard) != ShardState::kLeaving || !states_.Has(shard)) continue;
    claims.push_back({.shard = shard.shard, .epoch = shard.epoch});
  }
  Claim(std::move(claims), nullptr);
}

void ShardKeeper::SetAvoid(ShardId shard, MemberId avoid) {
  KnownShard known = table_.at(shard);
  known.avoid = avoid;
  table_.Set(shard, known);
  desired_[shard] = placement_.DesiredOwner(shard, avoid);
  callbacks_.on_change();
}

void ShardKeeper::Claim(std::vector<ShardClaim> claims, std::function<void()> then) {
  if (claims.empty()) {
    if (then) then();
    return;
  }
  for (ShardClaim& claim : claims) {
    states_.Apply(ShardEvent::kClaimSent, claim.shard);
    table_.Saw(claim.shard, std::min(claim.epoch, kHighestEpoch));
    claim.highest = table_.highest(claim.shard);
  }
  claiming_ += claims.size();
  store_->Claim(claims, [this, claims, then = std::move(then)](StoreStatus status,
                                                               const std::vector<ShardRecord>& records) {
    claiming_ -= claims.size();
    if (status == StoreStatus::kOk && records.size() == claims.size()) {
      OnClaimed(claims, records, then);
    } else {
      OnClaimUnanswered(claims, status == StoreStatus::kError, then);
    }
  });
}

void ShardKeeper::OnClaimUnanswered(const std::vector<ShardClaim>& claims, bool refused,
                                    const std::function<void()>& then) {
  if (uint64_t left_out = 0; claim_log_.Take(&left_out)) {
    SPDLOG_WARN("The store {} a claim of {} shards; trying again", refused ? "refused" : "did not answer",
                claims.size());
  }
  store_not_before_ = SteadyClock::now() + kPauseAfterFailure;
  for (const ShardClaim& claim : claims) states_.Apply(ShardEvent::kClaimUnanswered, claim.shard);
  states_.TellLanes();
  if (then) then();
}

void ShardKeeper::OnClaimed(const std::vector<ShardClaim>& claims, const std::vector<ShardRecord>& records,
                            const std::function<void()>& then) {
  std::vector<TakenShard> mine;
  for (size_t i = 0; i < claims.size(); ++i) {
    const ShardId shard = claims[i].shard;
    const ShardRecord& record = records[i];
    const MemberId owner = ParseMemberId(record.owner);
    // One's own name, too, may be of that time: nobody would listen to it.
    const bool is_past = record.epoch < claims[i].highest;
    evicted_here_.erase(shard);
    const bool was_to_reclaim = to_reclaim_.erase(shard) > 0;
    const ShardState before = states_.before_claim(shard);
    if (owner == self_ && !is_past) {
      if (was_to_reclaim || before == ShardState::kLost || before == ShardState::kOutdated)
        ++summary_.reclaimed;
      if (record.epoch < table_.highest(shard)) to_reclaim_.insert(shard);  // seen meanwhile
      states_.Apply(ShardEvent::kClaimWon, shard, record.epoch);
      mine.push_back({shard, record.epoch, record.crashes, record.commits});
      continue;
    }
    // Whoever stands in a record of the past need not know it, though it lives.
    states_.Apply(is_past ? ShardEvent::kClaimOutdated : ShardEvent::kClaimLost, shard);
    const KnownShard known = table_.at(shard);
    if (record.epoch > known.epoch) unpublished_.insert(shard);  // its claimer may have died before it could
    table_.Set(shard, {owner, record.epoch, known.avoid});
  }
  states_.TellLanes();
  callbacks_.on_change();
  if (mine.empty()) {
    if (then) then();
    return;
  }
  metrics_->claims.Increment(static_cast<double>(mine.size()));
  summary_.claimed += mine.size();
  servers_->Serve(mine, [this, queue = queue_, mine, then] {
    queue->Post([this, mine, then] { OnServing(mine, then); });
  });
}

void ShardKeeper::OnServing(const std::vector<TakenShard>& shards, std::function<void()> then) {
  std::vector<ShardId> served;
  for (const TakenShard& shard : shards) {
    const bool is_current = states_.Has({shard.shard, shard.epoch});
    if (!is_current || !states_.Apply(ShardEvent::kServing, shard.shard)) continue;  // lost already
    table_.Set(shard.shard, {self_, shard.epoch, table_.at(shard.shard).avoid});
    served.push_back(shard.shard);
  }
  callbacks_.on_change();
  Publish(served, std::move(then));
}

void ShardKeeper::Publish(const std::vector<ShardId>& shards, std::function<void()> then) {
  std::vector<ShardEntry> entries;
  for (const ShardId shard : shards) {
    unpublished_.erase(shard);
    if (table_.at(shard).epoch != 0) entries.push_back(table_.Entry(shard));
  }
  if (entries.empty()) {
    if (then) then();
    return;
  }
  store_->Publish(std::move(entries), [this, shards, then = std::move(then)](StoreStatus status) {
    if (status == StoreStatus::kOk) {
      callbacks_.on_published();
    } else {
      store_not_before_ = SteadyClock::now() + kPauseAfterFailure;
      unpublished_.insert(shards.begin(), shards.end());
    }
    if (then) then();
  });
}

}  // namespace dormouse
