#include "statekeeper/ownership/shard_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr size_t kClaimsPerCall = 256;
constexpr size_t kClaimsUnderWay = 1024;
constexpr size_t kOfferedAtOnce = 256;
constexpr int64_t kPauseAfterFailureMs = 200;
// Epochs count seconds since 2020 and changes of owner: one beyond this is nobody's, and there must be room
// above.
constexpr uint32_t kHighestEpoch = std::numeric_limits<uint32_t>::max() / 2;

}  // namespace

ShardKeeper::ShardKeeper(MemberId self, uint32_t shard_count, ClusterStore* store, ShardServers* servers,
                         Peers* peers, const std::shared_ptr<TaskQueue>& queue, OwnershipMetrics* metrics,
                         Callbacks callbacks)
    : self_(self),
      store_(store),
      servers_(servers),
      queue_(queue),
      metrics_(metrics),
      callbacks_(std::move(callbacks)),
      moves_(self, servers, peers, queue, metrics, this),
      table_(shard_count),
      holds_(shard_count),
      desired_(shard_count) {}

void ShardKeeper::Learn(const std::vector<ShardEntry>& entries) {
  std::vector<ShardEpoch> gone;
  size_t lost = 0;
  for (const ShardEntry& entry : entries) {
    if (!table_.Learn(entry)) continue;
    const KnownShard& known = table_.at(entry.shard);
    desired_[entry.shard] = placement_.DesiredOwner(entry.shard, known.avoid);
    Hold& hold = holds_[entry.shard];
    // While a claim is under way its answer will say.
    if (hold.state == State::kClaiming || hold.epoch == 0) continue;
    if (known.owner == self_ || known.epoch <= hold.epoch) continue;
    gone.push_back({entry.shard, hold.epoch});
    // One that is leaving has arrived: the table told sooner than the one that took it.
    ++(hold.state == State::kLeaving ? summary_.given : lost);
    SetEpoch(entry.shard, 0);
    hold.state = State::kNone;
  }
  summary_.lost += lost;
  metrics_->losses.Increment(static_cast<double>(lost));
  if (!gone.empty()) servers_->Drop(std::move(gone));
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

void ShardKeeper::Plan(int64_t steady_ms, bool may_force) {
  PlanClaims(steady_ms, may_force);
  PlanMoves(steady_ms);
  if (!unpublished_.empty() && steady_ms >= claim_not_before_ms_) {
    Publish(std::vector<ShardId>(unpublished_.begin(), unpublished_.end()), nullptr);
  }
}

bool ShardKeeper::IsFit(MemberId id) const { return std::binary_search(fit_.begin(), fit_.end(), id); }

bool ShardKeeper::IsToClaim(ShardId shard, bool may_force) const {
  const Hold& hold = holds_[shard];
  if (hold.state == State::kServed) return hold.anew;
  if (hold.state != State::kNone) return false;
  // Until somebody else has done it.
  if (hold.retake && table_.at(shard).epoch < table_.highest(shard)) return true;
  if (hold.fenced_epoch != 0) return true;  // this cannot take it from anybody: the epoch is over
  const KnownShard& known = table_.at(shard);
  if (known.owner == self_) return true;  // an answer got lost
  return may_force && desired_[shard] == self_ && !IsFit(known.owner);
}

void ShardKeeper::PlanClaims(int64_t steady_ms, bool may_force) {
  if (steady_ms < claim_not_before_ms_) return;
  std::vector<ShardClaim> claims;
  for (size_t i = 0; i < holds_.size() && claiming_ < kClaimsUnderWay; ++i) {
    const auto shard = static_cast<ShardId>(i);
    if (!IsToClaim(shard, may_force)) continue;
    const Hold& hold = holds_[i];
    uint32_t epoch = table_.at(shard).epoch;
    if (hold.state == State::kServed) {
      epoch = hold.epoch;
    } else if (hold.fenced_epoch != 0 && !hold.retake) {
      epoch = hold.fenced_epoch;
    }
    claims.push_back({.shard = shard, .epoch = epoch});
    if (claims.size() == kClaimsPerCall) Claim(std::exchange(claims, {}), nullptr);
  }
  if (!claims.empty()) Claim(claims, nullptr);
}

void ShardKeeper::PlanMoves(int64_t steady_ms) {
  struct Leaving {
    size_t room;
    std::vector<ShardEpoch> shards;
  };
  std::map<MemberId, Leaving> leaving;
  for (size_t i = 0; i < holds_.size(); ++i) {
    const Hold& hold = holds_[i];
    if (hold.state != State::kServed) continue;
    const MemberId to = hold.renew ? self_ : desired_[i];
    if (to == 0 || (to == self_ && !hold.renew) || offered_.contains(to)) continue;
    auto at = leaving.find(to);
    if (at == leaving.end()) at = leaving.emplace(to, Leaving{moves_.Room(to, steady_ms), {}}).first;
    if (at->second.shards.size() >= at->second.room) continue;
    at->second.shards.push_back({static_cast<ShardId>(i), hold.epoch});
  }
  for (const auto& [to, batch] : leaving) {
    for (const ShardEpoch& shard : batch.shards) holds_[shard.shard].state = State::kLeaving;
    moves_.Start(to, batch.shards);
  }
}

void ShardKeeper::OnMembersKnown(int64_t steady_ms) {
  std::erase_if(offered_, [steady_ms](const auto& each) { return each.second < steady_ms; });
}

void ShardKeeper::OnOffer(const peer::OfferRequest& request, bool accept, int64_t steady_ms,
                          PeerService::Reply reply) {
  if (!accept) {
    peer::OfferAnswer answer;
    answer.set_refused(true);
    reply(std::move(answer));
    return;
  }
  offered_[request.from()] = steady_ms;
  std::vector<ShardClaim> claims;
  std::vector<ShardId> asked;
  for (const peer::OfferRequest::Shard& offered : request.shards()) {
    if (offered.shard() >= holds_.size() || asked.size() == kOfferedAtOnce) continue;
    const auto shard = static_cast<ShardId>(offered.shard());
    asked.push_back(shard);
    if (holds_[shard].state != State::kNone) continue;
    SetAvoid(shard, offered.avoid());
    claims.push_back({.shard = shard, .epoch = offered.epoch(), .given = true});
  }
  summary_.received += claims.size();
  Claim(claims, [this, asked = std::move(asked), reply = std::move(reply)] {
    peer::OfferAnswer answer;
    for (const ShardId shard : asked) {
      if (holds_[shard].state != State::kServed) continue;  // the offerer is to look for itself
      peer::OfferAnswer::Shard* claimed = answer.add_claimed();
      claimed->set_shard(shard);
      claimed->set_epoch(holds_[shard].epoch);
    }
    reply(std::move(answer));
  });
}

void ShardKeeper::OnFenced(const ShardEpoch& shard) {
  if (shard.shard >= holds_.size()) return;
  Hold& hold = holds_[shard.shard];
  if (hold.epoch != shard.epoch || hold.epoch == 0) return;  // of an earlier life
  SetEpoch(shard.shard, 0);
  ++summary_.lost;
  metrics_->losses.Increment();
  if (hold.state == State::kClaiming) return;  // its answer will say
  hold.state = State::kNone;
  hold.fenced_epoch = shard.epoch;
}

void ShardKeeper::OnSpokenOf(const ShardEpoch& known) {
  if (known.shard >= holds_.size()) return;
  if (known.epoch > kHighestEpoch) {
    const LogAbout about({.shard = known.shard});
    SPDLOG_ERROR("a gateway speaks of epoch {}, which there cannot be", known.epoch);
    return;
  }
  table_.Saw(known.shard, known.epoch);
  // If it has another owner the claim fails, and tells who that is.
  Hold& hold = holds_[known.shard];
  if (hold.epoch != 0 && hold.epoch < known.epoch) hold.anew = true;
}

void ShardKeeper::TakeAnew() {
  for (Hold& hold : holds_) hold.anew = hold.epoch != 0;
}

bool ShardKeeper::Evict(ShardId shard) {
  if (shard >= holds_.size() || holds_[shard].state != State::kServed) return false;
  if (placement_.DesiredOwner(shard, self_) == self_ || placement_.empty()) {
    holds_[shard].renew = true;
    return true;
  }
  SetAvoid(shard, self_);
  unpublished_.insert(shard);
  callbacks_.on_change();
  return true;
}

uint32_t ShardKeeper::ServedEpoch(ShardId shard) const {
  return holds_[shard].state == State::kServed ? holds_[shard].epoch : 0;
}

std::vector<ShardEpoch> ShardKeeper::Held() const {
  std::vector<ShardEpoch> held;
  for (size_t i = 0; i < holds_.size(); ++i) {
    if (holds_[i].epoch != 0) held.push_back({static_cast<ShardId>(i), holds_[i].epoch});
  }
  return held;
}

bool ShardKeeper::IsComplete() const {
  if (!placement_.Includes(self_)) return false;
  for (size_t i = 0; i < holds_.size(); ++i) {
    if (desired_[i] == self_ && holds_[i].state != State::kServed) return false;
  }
  return true;
}

std::string ShardKeeper::TakeSummary() {
  if (summary_.IsEmpty()) return {};
  const Summary summary = std::exchange(summary_, {});
  std::string text = fmt::format("{} shards here", owned_);
  if (summary.taken > 0) text += fmt::format(", {} claimed", summary.taken);
  if (summary.received > 0) text += fmt::format(", {} offered by their owners", summary.received);
  if (summary.given > 0) text += fmt::format(", {} handed over", summary.given);
  if (summary.lost > 0) text += fmt::format(", {} lost to others", summary.lost);
  if (summary.anew > 0) text += fmt::format(", {} of them anew, above what the store had said", summary.anew);
  return text;
}

bool ShardKeeper::IsToMove(const ShardEpoch& shard, MemberId to) const {
  const Hold& hold = holds_[shard.shard];
  if (hold.state != State::kLeaving || hold.epoch != shard.epoch) return false;
  return hold.renew ? to == self_ : desired_[shard.shard] == to;
}

void ShardKeeper::OnMoved(const ShardEpoch& shard, MemberId to, uint32_t now) {
  const KnownShard known = table_.at(shard.shard);
  if (now > known.epoch) table_.Set(shard.shard, {to, now, known.avoid});
  Hold& hold = holds_[shard.shard];
  if (hold.state == State::kLeaving && hold.epoch == shard.epoch) {
    servers_->Drop({shard});
    SetEpoch(shard.shard, 0);
    hold.state = State::kNone;
    ++summary_.given;
  } else if (hold.state == State::kNone) {
    hold.fenced_epoch = 0;  // now it is known who has it
    hold.retake = false;
  }
  callbacks_.on_change();
}

void ShardKeeper::OnStays(const std::vector<ShardEpoch>& shards) {
  std::vector<ShardId> stay;
  for (const ShardEpoch& shard : shards) {
    Hold& hold = holds_[shard.shard];
    if (hold.state != State::kLeaving || hold.epoch != shard.epoch) continue;
    hold.state = State::kServed;
    stay.push_back(shard.shard);
  }
  if (!stay.empty()) servers_->Resume(std::move(stay));
}

void ShardKeeper::OnUnclear(const std::vector<ShardEpoch>& shards) {
  std::vector<ShardClaim> claims;
  for (const ShardEpoch& shard : shards) {
    const Hold& hold = holds_[shard.shard];
    if (hold.state != State::kLeaving || hold.epoch != shard.epoch) continue;
    claims.push_back({.shard = shard.shard, .epoch = shard.epoch});
  }
  if (!claims.empty()) Claim(claims, nullptr);
}

void ShardKeeper::SetAvoid(ShardId shard, MemberId avoid) {
  KnownShard known = table_.at(shard);
  known.avoid = avoid;
  table_.Set(shard, known);
  desired_[shard] = placement_.DesiredOwner(shard, avoid);
}

void ShardKeeper::Claim(std::vector<ShardClaim> claims, std::function<void()> then) {
  if (claims.empty()) {
    if (then) then();
    return;
  }
  for (ShardClaim& claim : claims) {
    holds_[claim.shard].state = State::kClaiming;
    table_.Saw(claim.shard, std::min(claim.epoch, kHighestEpoch));
    claim.highest = table_.highest(claim.shard);
  }
  claiming_ += claims.size();
  store_->Claim(claims, [this, claims, then = std::move(then)](StoreStatus status,
                                                               const std::vector<ShardRecord>& records) {
    OnClaimed(claims, status, records, then);
  });
}

void ShardKeeper::OnClaimed(const std::vector<ShardClaim>& claims, StoreStatus status,
                            const std::vector<ShardRecord>& records, const std::function<void()>& then) {
  claiming_ -= claims.size();
  const bool answered = status == StoreStatus::kOk && records.size() == claims.size();
  if (!answered) {
    if (uint64_t left_out = 0; claim_log_.Take(&left_out)) {
      SPDLOG_WARN("The store {} a claim of {} shards; trying again",
                  status == StoreStatus::kError ? "refused" : "did not answer", claims.size());
    }
    claim_not_before_ms_ = SteadyMs() + kPauseAfterFailureMs;
  }
  std::vector<TakenShard> mine;
  std::vector<ShardEpoch> lost;
  std::vector<ShardId> stay;
  for (size_t i = 0; i < claims.size(); ++i) {
    const ShardId shard = claims[i].shard;
    Hold& hold = holds_[shard];
    if (!answered) {
      // If the claim was carried out after all, what is served on is fenced, and asks again.
      hold.state = hold.epoch != 0 ? State::kServed : State::kNone;
      if (hold.epoch != 0) stay.push_back(shard);
      continue;
    }
    const bool is_past = records[i].epoch < claims[i].highest;
    const bool anew = hold.anew || hold.retake || hold.fenced_epoch != 0;
    hold.fenced_epoch = 0;
    hold.renew = hold.anew = hold.retake = false;
    const MemberId owner = ParseMemberId(records[i].owner);
    // One's own, too, may be of that time: nobody would listen to it.
    if (owner == self_ && !is_past) {
      if (anew) ++summary_.anew;
      hold.anew = records[i].epoch < table_.highest(shard);  // spoken of meanwhile
      mine.push_back({shard, records[i].epoch, records[i].crashes, records[i].commits});
      SetEpoch(shard, records[i].epoch);
      hold.state = State::kStarting;
      continue;
    }
    if (hold.epoch != 0) lost.push_back({shard, hold.epoch});
    SetEpoch(shard, 0);
    hold.state = State::kNone;
    // Whoever stands there need not know it, though it lives.
    hold.retake = is_past;
    const KnownShard known = table_.at(shard);
    if (records[i].epoch > known.epoch)
      unpublished_.insert(shard);  // its claimer may have died before it could
    table_.Set(shard, {owner, records[i].epoch, known.avoid});
  }
  if (!stay.empty()) servers_->Resume(std::move(stay));
  if (!lost.empty()) servers_->Drop(std::move(lost));
  callbacks_.on_change();
  if (mine.empty()) {
    if (then) then();
    return;
  }
  metrics_->claims.Increment(static_cast<double>(mine.size()));
  summary_.taken += mine.size();
  servers_->Serve(mine, [this, queue = queue_, mine, then] {
    queue->Post([this, mine, then] { OnServing(mine, then); });
  });
}

void ShardKeeper::OnServing(const std::vector<TakenShard>& shards, std::function<void()> then) {
  std::vector<ShardId> served;
  for (const TakenShard& shard : shards) {
    Hold& hold = holds_[shard.shard];
    if (hold.state != State::kStarting || hold.epoch != shard.epoch) continue;  // lost already
    hold.state = State::kServed;
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
      claim_not_before_ms_ = SteadyMs() + kPauseAfterFailureMs;
      unpublished_.insert(shards.begin(), shards.end());
    }
    if (then) then();
  });
}

void ShardKeeper::SetEpoch(ShardId shard, uint32_t epoch) {
  Hold& hold = holds_[shard];
  if (hold.epoch == 0 && epoch != 0) ++owned_;
  if (hold.epoch != 0 && epoch == 0) --owned_;
  hold.epoch = epoch;
  metrics_->shards.Set(static_cast<double>(owned_));
}

}  // namespace dormouse
