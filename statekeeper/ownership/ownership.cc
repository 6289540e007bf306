#include "statekeeper/ownership/ownership.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr int64_t kTickMs = 20;
constexpr int64_t kSettledTickMs = 100;  // while nothing is under way
constexpr int64_t kPauseMs = 500;        // a tick this late: the process did not run
constexpr int64_t kMinSyncGapMs = 10;    // between two Syncs, whatever happens
constexpr int64_t kSyncRetryMs = 200;
constexpr int64_t kSuspicionSyncMs = 50;
// A Sync unanswered for longer: the store is away. For short TTLs a tenth of them.
constexpr int64_t kStoreSilenceMs = 300;
constexpr int64_t kUnreadySilenceMs = 1'000;
constexpr int64_t kProlongMs = 500;
constexpr int64_t kClockOffMs = 2'000;  // worth a line in the log
constexpr int64_t kJoiningMs = 400;
constexpr int64_t kNoteMs = 400;
constexpr int64_t kSettleMs = 20;  // notes and maps go out no more often
constexpr int64_t kLogMs = 500;
constexpr int64_t kEvictionPatienceMs = 10'000;
constexpr int64_t kCompletionPatienceMs =
    10'000;  // then it is ready though others have not given it everything
constexpr int64_t kHandOverWithoutStoreMs = 2'000;
constexpr std::chrono::milliseconds kLeavePatience{1'000};

std::string ShortList(const std::vector<MemberId>& ids) {
  std::string text;
  for (const MemberId id : ids) text += (text.empty() ? "" : ", ") + PrintMemberId(id);
  return text;
}

}  // namespace

Ownership::Ownership(Config config, Lease* lease, ShardServers* servers, prometheus::Registry* registry)
    : config_(std::move(config)),
      lease_(lease),
      servers_(servers),
      metrics_(registry),
      loop_(ev_loop_new(EVBACKEND_EPOLL)),
      queue_(std::make_shared<TaskQueue>(loop_)),
      service_(config_.id,
               {[this, queue = queue_](MemberId from) {
                  queue->Post([this, from] {
                    if (!peers_->Knows(from)) SyncSoon();
                  });
                },
                [this, queue = queue_](peer::OfferRequest request, PeerService::Reply reply) {
                  queue->Post([this, request = std::move(request), reply = std::move(reply)] {
                    keeper_->OnOffer(request, self_.state == MemberState::kServing && lease_->IsGood(),
                                     SteadyMs(), reply);
                    SyncSoon();
                  });
                }},
               peer_calls_) {
  view_ = std::make_shared<const ClusterView>(ClusterView{config_.shard_count, {}, {}});
  classes_ = config_.classes;
  self_.id = config_.id;
  self_.address = config_.address;
  self_.unix_path = config_.unix_path;
  self_.version = DORMOUSE_VERSION;
  self_.lanes = config_.lanes;
  self_.started_ms = WallMs();
  ev_timer_init(&tick_, (&Ownership::Call<ev_timer, &Ownership::OnTick>), 0, kTickMs / 1000.0);
  ev_prepare_init(&turn_end_, (&Ownership::Call<ev_prepare, &Ownership::OnTurnEnd>));
  tick_.data = turn_end_.data = this;
}

Ownership::~Ownership() {
  service_.Close();
  if (thread_.joinable()) {
    queue_->Post([this] { End(); });
    thread_.join();
  }
  queue_->Close();
  ev_loop_destroy(loop_);
}

void Ownership::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Ownership::Run() {
  store_ = config_.new_store(loop_);
  peers_ = std::make_unique<Peers>(config_.id, config_.credentials, queue_, peer_calls_,
                                   Peers::Callbacks{[this] { SyncSoon(); }, [this] { SyncSoon(); }});
  keeper_ = std::make_unique<ShardKeeper>(
      config_.id, config_.shard_count, store_.get(), servers_, peers_.get(), queue_, &metrics_,
      ShardKeeper::Callbacks{[this] { map_is_new_ = true; }, [this] { note_is_new_ = true; }});
  last_tick_ms_ = running_since_ms_ = SteadyMs();
  ev_timer_start(loop_, &tick_);
  ev_prepare_start(loop_, &turn_end_);

  ev_run(loop_, 0);

  ev_timer_stop(loop_, &tick_);
  ev_prepare_stop(loop_, &turn_end_);
  queue_->Close();
  keeper_.reset();
  peers_.reset();
  store_.reset();
}

void Ownership::End() { ev_break(loop_, EVBREAK_ALL); }

void Ownership::Fenced(ShardEpoch shard) {
  queue_->Post([this, shard] { keeper_->OnFenced(shard); });
}

void Ownership::SpokenOf(ShardEpoch shard) {
  queue_->Post([this, shard] { keeper_->OnSpokenOf(shard); });
}

void Ownership::HandOver(Duration patience) {
  std::promise<void> done;
  queue_->Post([this, patience, &done] {
    hand_over_deadline_ms_ = SteadyMs() + patience.count();
    handed_over_ = [&done] { done.set_value(); };
    SetState(MemberState::kDraining);
  });
  done.get_future().wait();
}

void Ownership::Stop() {
  auto left = std::make_shared<std::promise<void>>();
  queue_->Post([this, left] {
    leaving_ = true;
    // First, lest another one claims them before.
    if (keeper_->owned() > 0) store_->Release(keeper_->Held(), [](StoreStatus) {});
    store_->Leave([left](StoreStatus) { left->set_value(); });
  });
  left->get_future().wait_for(kLeavePatience);
  service_.Close();
  queue_->Post([this] { End(); });
  thread_.join();
}

std::string Ownership::NotReady() const {
  const std::lock_guard lock(view_mutex_);
  return not_ready_;
}

ClusterView Ownership::View() const {
  std::shared_ptr<const ClusterView> view;
  {
    const std::lock_guard lock(view_mutex_);
    view = view_;
  }
  return *view;
}

void Ownership::ChangeClasses(std::vector<link::ClassProfile> classes) {
  queue_->Post([this, classes = std::move(classes)]() mutable {
    classes_ = std::move(classes);
    map_is_new_ = true;  // the end of this turn publishes it
  });
}

void Ownership::Evict(std::vector<ShardId> shards, std::function<void(std::string error)> done) {
  queue_->Post([this, shards = std::move(shards), done = std::move(done)] {
    Eviction eviction;
    for (const ShardId shard : shards) {
      const uint32_t epoch = shard < config_.shard_count ? keeper_->ServedEpoch(shard) : 0;
      if (epoch == 0) {
        done(fmt::format("shard {} is not served by this statekeeper now; look who owns it, and ask again",
                         shard));
        return;
      }
      eviction.shards.push_back({shard, epoch});
    }
    for (const ShardId shard : shards) keeper_->Evict(shard);
    eviction.deadline_ms = SteadyMs() + kEvictionPatienceMs;
    eviction.done = done;
    evictions_.push_back(std::move(eviction));
  });
}

void Ownership::Drain(bool drain, std::function<void(std::string error)> done) {
  queue_->Post([this, drain, done = std::move(done)] {
    if (handed_over_) return done("this statekeeper is stopping");
    if (drain) {
      drains_.push_back(done);
      SetState(MemberState::kDraining);
      return;
    }
    if (self_.state == MemberState::kDraining) SetState(MemberState::kServing);
    for (const auto& waiting : std::exchange(drains_, {})) waiting("the drain was ended by another operator");
    done("");
  });
}

// --- The loop.

void Ownership::OnTick() {
  const int64_t now = SteadyMs();
  if (now - last_tick_ms_ > kPauseMs) {
    SPDLOG_WARN("This process did not run for {} ms", now - last_tick_ms_);
    running_since_ms_ = now;
    peers_->Forgive(now);
    SyncSoon();
  }
  last_tick_ms_ = now;
  peers_->Tick(now);
  if (now - logged_ms_ >= kLogMs) {
    logged_ms_ = now;
    const std::string summary = keeper_->TakeSummary();
    if (!summary.empty()) SPDLOG_INFO("{}", summary);
  }
}

void Ownership::OnTurnEnd() {
  const int64_t now = SteadyMs();
  if (!members_.empty()) {
    if (self_.state == MemberState::kJoining && (!OthersServe() || now - joined_ms_ >= kJoiningMs)) {
      SetState(MemberState::kServing);
    }
    keeper_->Plan(now, now >= force_not_before_ms_);
    SettleEvictions(now);
    ProlongLease(now);
    PublishMap(now);
    TellPeers(now);
    UpdateReadiness(now);
  }
  SettleDrain(now);
  SyncIfDue(now);
  const double tick_s = static_cast<double>(IsSettled(now) ? kSettledTickMs : kTickMs) / 1000;
  if (tick_.repeat != tick_s) {
    tick_.repeat = tick_s;
    ev_timer_again(loop_, &tick_);
  }
}

bool Ownership::IsSettled(int64_t now) const {
  return self_.state == MemberState::kServing && was_complete_ && !map_is_new_ && !note_is_new_ &&
         !sync_wanted_ && ReachesStore(now) && !SuspicionPending() && !keeper_->busy() &&
         peers_->IsSettled() && evictions_.empty() && lease_->IsGood();
}

// --- Members.

void Ownership::SyncIfDue(int64_t now) {
  if (sync_under_way_ || leaving_) return;
  const bool suspicion = SuspicionPending();
  if (!suspicion) {
    suspicion_since_ms_ = 0;
  } else if (suspicion_since_ms_ == 0) {
    suspicion_since_ms_ = now;
  }
  int64_t interval = config_.member_ttl.count() / 3;
  // Not for ever: members may never come to agree on one.
  if (suspicion && now - suspicion_since_ms_ < config_.member_ttl.count()) interval = kSuspicionSyncMs;
  if (sync_failed_) interval = kSyncRetryMs;
  if (sync_wanted_) interval = sync_failed_ ? kSyncRetryMs : kMinSyncGapMs;
  if (sync_sent_ms_ != 0 && now - sync_sent_ms_ < interval) return;

  const std::vector<MemberId> unreachable = peers_->unreachable();
  for (const MemberId id : unreachable) {
    if (std::find(self_.unreachable.begin(), self_.unreachable.end(), id) == self_.unreachable.end()) {
      metrics_.suspicions.Increment();
    }
  }
  self_.unreachable = unreachable;
  sync_wanted_ = false;
  sync_under_way_ = true;
  sync_sent_ms_ = now;
  SyncRequest request;
  request.record = PrintMember(self_);
  request.ttl = config_.member_ttl;
  request.known_version = table_version_;
  const std::string record = request.record;
  store_->Sync(std::move(request), [this, now, record](StoreStatus status, const SyncAnswer& answer) {
    // Not earlier: the others are to find it there.
    if (status == StoreStatus::kOk && std::exchange(known_record_, record) != record) note_is_new_ = true;
    OnSynced(now, status, answer);
  });
}

void Ownership::OnSynced(int64_t sent_ms, StoreStatus status, const SyncAnswer& answer) {
  sync_under_way_ = false;
  if (std::exchange(sync_failed_, status != StoreStatus::kOk) != sync_failed_) {
    if (sync_failed_) {
      SPDLOG_ERROR("The store does not answer: this statekeeper cannot say that it lives");
    } else {
      SPDLOG_INFO("The store answers again");
    }
  }
  if (sync_failed_) {
    metrics_.sync_failures.Increment();
    return;
  }
  const int64_t now = SteadyMs();
  FollowStoreClock(answer.wall_ms, sent_ms, now);
  const bool is_first = members_.empty();
  const int64_t half = config_.member_ttl.count() / 2;
  // Who has the store to itself need not renew.
  if (config_.shared && !is_first &&
      (!answer.renewed || now - synced_sent_ms_ > config_.member_ttl.count() * 2 / 3)) {
    SPDLOG_WARN("The last renewal was {} ms ago: nothing is taken from others that were late for {} ms",
                now - synced_sent_ms_, half);
    force_not_before_ms_ = now + half;
  }
  if (is_first) joined_ms_ = now;
  synced_sent_ms_ = sent_ms;
  if (answer.lost_time) {
    SPDLOG_ERROR(
        "The store has lost time: it does not hold all that it had acknowledged (restored, emptied, or "
        "restarted "
        "without its last writes). All shards are taken anew; clients that it knows no more are closed");
    metrics_.store_losses.Increment();
    keeper_->TakeAnew();
  }
  if (answer.unsafe != unsafe_) {
    unsafe_ = answer.unsafe;
    if (unsafe_.empty()) {
      SPDLOG_INFO("The store keeps again what it is given");
    } else {
      SPDLOG_ERROR("{}", unsafe_);
    }
  }
  table_version_ = answer.version;
  // What was lost goes first: the lease is of all shards.
  keeper_->Learn(answer.changed);
  RenewLease(config_.shared ? sent_ms + config_.member_ttl.count() * 2 / 3 : Lease::kForever);
  TakeMembers(answer.members);
  keeper_->OnMembersKnown(sent_ms);
}

// Deadlines of hubs are times of day, and hubs change hands: one clock for all statekeepers.
void Ownership::FollowStoreClock(int64_t wall_ms, int64_t sent_ms, int64_t now) {
  // An answer that was long under way tells the time badly.
  if (wall_ms == 0 || (!members_.empty() && now - sent_ms > StoreSilenceMs())) return;
  const int64_t behind_ms = FollowClock(wall_ms, sent_ms + (now - sent_ms) / 2);
  const bool is_off = std::abs(behind_ms) > kClockOffMs;
  if (std::exchange(store_clock_off_, is_off) == is_off) return;
  if (is_off) {
    SPDLOG_WARN("The store's clock was set {} by {} s; deadlines follow it a quarter faster or slower",
                behind_ms > 0 ? "forward" : "back", std::abs(behind_ms) / 1000);
  } else {
    SPDLOG_INFO("The time of day is the store's again");
  }
}

void Ownership::TakeMembers(const std::vector<MemberEntry>& entries) {
  std::vector<Member> members;
  std::vector<Member> others;
  for (const MemberEntry& entry : entries) {
    std::optional<Member> member = ParseMember(entry);
    if (!member.has_value()) continue;  // not one of ours; a later version perhaps
    if (member->id != config_.id) others.push_back(*member);
    members.push_back(*std::move(member));
  }
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.id < b.id; });
  std::vector<MemberId> suspects = Suspects(members);
  if (members == members_ && suspects == suspects_) return;
  LogChanges(members, suspects);
  members_ = std::move(members);
  suspects_ = std::move(suspects);
  metrics_.members.Set(static_cast<double>(members_.size()));
  std::vector<MemberId> fit;
  for (const Member& member : members_) {
    if (!std::binary_search(suspects_.begin(), suspects_.end(), member.id)) fit.push_back(member.id);
  }
  keeper_->SetPlacement(Placement(members_, suspects_), std::move(fit));
  peers_->SetMembers(others);
  map_is_new_ = true;
}

void Ownership::LogChanges(const std::vector<Member>& members, const std::vector<MemberId>& suspects) const {
  std::vector<MemberId> before;
  std::vector<MemberId> after;
  std::vector<MemberId> serving;
  for (const Member& member : members_) before.push_back(member.id);
  for (const Member& member : members) {
    after.push_back(member.id);
    if (member.state == MemberState::kServing) serving.push_back(member.id);
  }
  if (before == after && suspects == suspects_) return;
  SPDLOG_INFO("{} members: {}; serving {}{}{}", after.size(), ShortList(after), serving.size(),
              suspects.empty() ? "" : "; suspected: ", ShortList(suspects));
}

void Ownership::SetState(MemberState state) {
  if (self_.state == state) return;
  self_.state = state;
  SyncSoon();
}

bool Ownership::OthersServe() const {
  return std::any_of(members_.begin(), members_.end(), [this](const Member& member) {
    return member.id != config_.id && member.state == MemberState::kServing &&
           !std::binary_search(suspects_.begin(), suspects_.end(), member.id);
  });
}

bool Ownership::SuspicionPending() const {
  const auto pending = [this](const std::vector<MemberId>& accused) {
    return std::any_of(accused.begin(), accused.end(), [this](MemberId id) {
      return !std::binary_search(suspects_.begin(), suspects_.end(), id) &&
             std::any_of(members_.begin(), members_.end(),
                         [id](const Member& member) { return member.id == id; });
    });
  };
  return std::any_of(members_.begin(), members_.end(),
                     [&](const Member& member) { return pending(member.unreachable); });
}

// --- The lease.

// One's silence and then another's must fit into a lease.
int64_t Ownership::StoreSilenceMs() const {
  return std::min<int64_t>(kStoreSilenceMs, config_.member_ttl.count() / 10);
}

bool Ownership::ReachesStore(int64_t now) const {
  return !sync_failed_ && !(sync_under_way_ && now - sync_sent_ms_ > StoreSilenceMs());
}

void Ownership::RenewLease(int64_t until_ms) {
  lease_until_ms_ = std::max(lease_until_ms_, until_ms);
  lease_->Renew(lease_until_ms_);
}

void Ownership::ProlongLease(int64_t now) {
  // After a pause nothing is known until the store, or the peers, had time to answer.
  if (ReachesStore(now) || now - running_since_ms_ <= StoreSilenceMs()) return;
  if (!IsAlone() && peers_->store() != Peers::Store::kAway) return;
  RenewLease(now + kProlongMs);
}

// --- What others are told.

void Ownership::TellPeers(int64_t now) {
  const bool reaches_store = ReachesStore(now);
  note_is_new_ |= note_.reaches_store() != reaches_store;
  if (now - told_ms_ < (note_is_new_ ? kSettleMs : kNoteMs)) return;
  if (std::exchange(note_is_new_, false)) note_.set_changes(note_.changes() + 1);
  note_.set_reaches_store(reaches_store);
  told_ms_ = now;
  service_.Tell(note_);
}

void Ownership::PublishMap(int64_t now) {
  if (!lease_->IsGood()) {
    // Cut off from the store: it would not hear of members and owners, and others do.
    if (!std::exchange(map_withdrawn_, true)) {
      config_.withdraw();
      PublishView();
    }
    return;
  }
  map_is_new_ |= std::exchange(map_withdrawn_, false);
  if (!map_is_new_ || now - published_ms_ < kSettleMs) return;
  map_is_new_ = false;
  published_ms_ = now;
  config_.publish(NewMap());
  PublishView();
}

void Ownership::PublishView() {
  auto view = std::make_shared<const ClusterView>(NewView());
  const std::lock_guard lock(view_mutex_);
  view_ = std::move(view);
}

void Ownership::PublishMapNow(int64_t now) {
  published_ms_ = now - kSettleMs;
  PublishMap(now);
}

link::ShardMap Ownership::NewMap() {
  link::ShardMap map;
  map.set_version(++map_version_);
  map.set_shard_count(config_.shard_count);
  for (const Member& member : members_) {
    link::Member* listed = map.add_members();
    listed->set_incarnation(member.id);
    listed->set_lanes(member.lanes);
    listed->set_address(member.address);
    listed->set_unix_path(member.unix_path);
  }
  for (size_t i = 0; i < config_.shard_count; ++i) {
    const KnownShard& known = keeper_->table().at(static_cast<ShardId>(i));
    const auto owner = std::lower_bound(members_.begin(), members_.end(), known.owner,
                                        [](const Member& member, MemberId id) { return member.id < id; });
    // Past the last member: the owner does not live any more, or there was none.
    const bool lives = owner != members_.end() && owner->id == known.owner;
    map.add_owner(static_cast<uint32_t>((lives ? owner : members_.end()) - members_.begin()));
    map.add_epoch(known.epoch);
  }
  for (const link::ClassProfile& profile : classes_) *map.add_classes() = profile;
  return map;
}

ClusterView Ownership::NewView() const {
  ClusterView view;
  view.shard_count = config_.shard_count;
  view.cluster_id = config_.cluster_id;
  for (const link::ClassProfile& profile : classes_) view.classes.push_back(profile.name());
  for (const Member& member : members_) {
    MemberView& shown = view.members.emplace_back();
    shown.id = PrintMemberId(member.id);
    shown.address = member.address;
    shown.unix_path = member.unix_path;
    shown.version = member.version;
    shown.state = member.state;
    shown.started_ms = member.started_ms;
    shown.lanes = member.lanes;
    shown.is_self = member.id == config_.id;
    if (shown.is_self && !lease_->IsGood()) shown.state = MemberState::kCutOff;
    shown.suspected = std::binary_search(suspects_.begin(), suspects_.end(), member.id);
  }
  for (size_t i = 0; i < config_.shard_count; ++i) {
    const auto shard = static_cast<ShardId>(i);
    view.shards.push_back(keeper_->table().Entry(shard));
    const MemberId owner = keeper_->table().at(shard).owner;
    const auto at = std::lower_bound(members_.begin(), members_.end(), owner,
                                     [](const Member& member, MemberId id) { return member.id < id; });
    if (at == members_.end() || at->id != owner) continue;
    MemberView& shown = view.members[static_cast<size_t>(at - members_.begin())];
    if (shown.state != MemberState::kCutOff) ++shown.shards;
  }
  return view;
}

void Ownership::UpdateReadiness(int64_t now) {
  store_is_silent_.store(
      !ReachesStore(now) && now - synced_sent_ms_ > config_.member_ttl.count() / 3 + kUnreadySilenceMs,
      std::memory_order_relaxed);
  std::string reason;
  if (!lease_->IsGood()) {
    reason = "it cannot reach the store, which others can; its shards are theirs meanwhile";
  } else if (std::binary_search(suspects_.begin(), suspects_.end(), config_.id)) {
    reason = fmt::format("the other statekeepers cannot reach it at {}, so it is to own nothing",
                         self_.address.empty() ? self_.unix_path : self_.address);
  } else if (self_.state == MemberState::kJoining) {
    reason = "it is joining the cluster";
  } else if (!was_complete_) {
    was_complete_ = keeper_->IsComplete() || now - joined_ms_ > kCompletionPatienceMs;
    if (!was_complete_) reason = "it does not serve all its shards yet";
  }
  if (reason.empty()) reason = unsafe_;
  if (reason.empty() && sync_failed_ && !config_.shared)
    reason = "the store's file cannot be used; see the log";
  const std::lock_guard lock(view_mutex_);
  if (not_ready_ != reason) not_ready_ = reason;
}

// --- Operators, and the end.

void Ownership::SettleEvictions(int64_t now) {
  for (auto at = evictions_.begin(); at != evictions_.end();) {
    const size_t left = static_cast<size_t>(
        std::count_if(at->shards.begin(), at->shards.end(), [this](const ShardEpoch& shard) {
          const KnownShard& known = keeper_->table().at(shard.shard);
          return known.epoch <= shard.epoch;
        }));
    if (left > 0 && now < at->deadline_ms) {
      ++at;
      continue;
    }
    const std::function<void(std::string)> done = std::move(at->done);
    at = evictions_.erase(at);
    PublishMapNow(now);
    done(left == 0
             ? ""
             : fmt::format("{} shards have not moved within {} s; see the log of this statekeeper, they move "
                           "as soon as it is possible",
                           left, kEvictionPatienceMs / 1000));
  }
}

void Ownership::SettleDrain(int64_t now) {
  if (self_.state != MemberState::kDraining || (drains_.empty() && !handed_over_)) return;
  const auto self = std::find_if(members_.begin(), members_.end(),
                                 [this](const Member& member) { return member.id == config_.id; });
  const bool is_known = self != members_.end() && self->state == MemberState::kDraining;
  const bool is_empty = keeper_->owned() == 0 && !keeper_->busy();
  const bool nobody = (is_known || IsAlone()) && !OthersServe();
  if (handed_over_) {
    const bool store_lost = !ReachesStore(now) && now - synced_sent_ms_ > kHandOverWithoutStoreMs;
    if ((is_empty && is_known) || nobody || store_lost || now >= hand_over_deadline_ms_) {
      if (!is_empty && nobody) {
        SPDLOG_INFO("Nobody is left to take {} shards: they wait for the next statekeeper", keeper_->owned());
      } else if (!is_empty) {
        SPDLOG_WARN("{} shards were not handed over", keeper_->owned());
      }
      std::exchange(handed_over_, nullptr)();
    }
  }
  if (drains_.empty() || !(is_known || nobody) || (!is_empty && !nobody)) return;
  PublishMapNow(now);
  for (const auto& done : std::exchange(drains_, {})) {
    done(is_empty ? "" : "there is no other statekeeper that could take the shards; start one first");
  }
  // Nobody else would claim what has no owner.
  if (!is_empty && hand_over_deadline_ms_ == 0) SetState(MemberState::kServing);
}

}  // namespace dormouse
