#include "statekeeper/ownership/ownership.h"

#include <future>
#include <utility>

#include "common/logging.h"

namespace dormouse {
namespace {

constexpr Duration kTick{20};
constexpr Duration kSettledTick{100};  // while nothing is under way
constexpr Duration kPause{500};        // a tick this late: the process did not run
constexpr Duration kLogGap{500};
// Then it is ready though others have not given it everything.
constexpr Duration kCompletionPatience{10'000};
constexpr Duration kUnreadySilence{1'000};
constexpr Duration kHandOverWithoutStore{2'000};
constexpr Duration kLeavePatience{1'000};

Member SelfOf(const Ownership::Config& config) {
  Member self;
  self.id = config.id;
  self.address = config.address;
  self.unix_path = config.unix_path;
  self.app_http = config.app_http;
  self.framed = !config.address.empty();
  self.version = DORMOUSE_VERSION;
  self.lanes = config.lanes;
  self.started = WallClock::now();
  return self;
}

}  // namespace

Ownership::Ownership(Config config, Lease* lease, ShardServers* servers, prometheus::Registry* registry)
    : config_(std::move(config)),
      servers_(servers),
      metrics_(registry),
      loop_(ev_loop_new(EVBACKEND_EPOLL)),
      queue_(std::make_shared<TaskQueue>(loop_)),
      service_(config_.id, NewHandlers(), peer_calls_),
      membership_(SelfOf(config_)),
      lease_(config_.member_ttl, config_.shared, StoreSync::SilenceOf(config_.member_ttl), lease),
      map_({.shard_count = config_.shard_count,
            .cluster_id = config_.cluster_id,
            .classes = config_.classes,
            .publish = config_.publish,
            .withdraw = config_.withdraw},
           &membership_, lease),
      notes_([this](const peer::Note& note) { service_.Tell(note); }) {
  ev_timer_init(&tick_, (&Ownership::Call<ev_timer, &Ownership::OnTick>), 0, Seconds(kTick));
  ev_prepare_init(&turn_end_, (&Ownership::Call<ev_prepare, &Ownership::OnTurnEnd>));
  tick_.data = turn_end_.data = this;
}

Ownership::~Ownership() {
  service_.Close();
  if (thread_.joinable()) {
    queue_->Post([this] { ev_break(loop_, EVBREAK_ALL); });
    thread_.join();
  }
  queue_->Close();
  ev_loop_destroy(loop_);
}

PeerService::Handlers Ownership::NewHandlers() {
  PeerService::Handlers handlers;
  handlers.on_live = [this, queue = queue_](MemberId from) {
    queue->Post([this, from] {
      if (!peers_->Knows(from)) sync_->WantSoon();
    });
  };
  handlers.on_offer = [this, queue = queue_](peer::OfferRequest request, PeerService::Reply reply) {
    queue->Post([this, request = std::move(request), reply = std::move(reply)] {
      const bool accept = membership_.self().state == MemberState::kServing && lease_.IsGood();
      keeper_->OnOffer(request, accept, SteadyClock::now(), reply);
      sync_->WantSoon();
    });
  };
  return handlers;
}

void Ownership::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Ownership::Run() {
  store_ = config_.new_store(loop_);
  sync_ = std::make_unique<StoreSync>(
      config_.member_ttl, store_.get(), &metrics_,
      StoreSync::Callbacks{[this](SteadyTime sent, const SyncAnswer& answer) { OnSynced(sent, answer); },
                           [this] { notes_.MarkNews(); }});
  peers_ =
      std::make_unique<Peers>(config_.id, config_.credentials, queue_, peer_calls_,
                              Peers::Callbacks{[this] { sync_->WantSoon(); }, [this] { sync_->WantSoon(); }});
  keeper_ = std::make_unique<ShardKeeper>(
      config_.id, config_.shard_count, store_.get(), servers_, peers_.get(), queue_, &metrics_,
      ShardKeeper::Callbacks{[this] { map_.MarkChanged(); }, [this] { notes_.MarkNews(); }});
  requests_ = std::make_unique<OperatorRequests>(
      &membership_, keeper_.get(),
      OperatorRequests::Callbacks{[this](MemberState state) { SetState(state); },
                                  [this] { map_.PublishNow(keeper_->table(), SteadyClock::now()); }});
  last_tick_ = SteadyClock::now();
  lease_.OnRunning(last_tick_);
  ev_timer_start(loop_, &tick_);
  ev_prepare_start(loop_, &turn_end_);

  ev_run(loop_, 0);

  ev_timer_stop(loop_, &tick_);
  ev_prepare_stop(loop_, &turn_end_);
  queue_->Close();
  requests_.reset();
  keeper_.reset();
  peers_.reset();
  store_.reset();
  sync_.reset();
}

void Ownership::Fenced(ShardEpoch shard) {
  queue_->Post([this, shard] { keeper_->OnFenced(shard); });
}

void Ownership::EpochSeen(ShardEpoch shard) {
  queue_->Post([this, shard] { keeper_->OnEpochSeen(shard); });
}

void Ownership::HandOver(Duration patience) {
  std::promise<void> done;
  queue_->Post([this, patience, &done] {
    requests_->HandOver(SteadyClock::now() + patience, [&done] { done.set_value(); });
  });
  done.get_future().wait();
}

void Ownership::Stop() {
  auto left = std::make_shared<std::promise<void>>();
  queue_->Post([this, left] {
    sync_->End();
    // First, lest another one claims them before.
    if (keeper_->held() > 0) store_->Release(keeper_->Held(), [](StoreStatus) {});
    store_->Leave([left](StoreStatus) { left->set_value(); });
  });
  left->get_future().wait_for(kLeavePatience);
  service_.Close();
  queue_->Post([this] { ev_break(loop_, EVBREAK_ALL); });
  thread_.join();
}

void Ownership::ChangeClasses(std::vector<link::ClassProfile> classes) {
  queue_->Post([this, classes = std::move(classes)]() mutable { map_.ChangeClasses(std::move(classes)); });
}

void Ownership::ChangeAppHttp(const std::string& path) {
  queue_->Post([this, path] {
    if (membership_.SetAppHttp(path)) sync_->WantSoon();
  });
}

void Ownership::Evict(std::vector<ShardId> shards, std::function<void(std::string error)> done) {
  queue_->Post([this, shards = std::move(shards), done = std::move(done)] {
    requests_->Evict(shards, done, SteadyClock::now());
  });
}

void Ownership::Drain(bool drain, std::function<void(std::string error)> done) {
  queue_->Post([this, drain, done = std::move(done)] { requests_->Drain(drain, done); });
}

void Ownership::OnTick() {
  const SteadyTime now = SteadyClock::now();
  if (now - last_tick_ > kPause) {
    SPDLOG_WARN("This process did not run for {} ms", (now - last_tick_).count());
    lease_.OnRunning(now);
    peers_->Forgive(now);
    sync_->WantSoon();
  }
  last_tick_ = now;
  peers_->Tick(now);
  if (now - logged_ >= kLogGap) {
    logged_ = now;
    const std::string summary = keeper_->TakeSummary();
    if (!summary.empty()) SPDLOG_INFO("{}", summary);
  }
}

void Ownership::OnTurnEnd() {
  const SteadyTime now = SteadyClock::now();
  const bool reaches_store = sync_->ReachesStore(now);
  if (membership_.is_known()) {
    if (membership_.self().state == MemberState::kJoining && membership_.MayServe(now)) {
      SetState(MemberState::kServing);
    }
    keeper_->Plan(now, lease_.MayTakeByForce(now));
    // Nobody reaches it, as far as is known here.
    const bool others_reach_none = membership_.IsAlone() || peers_->store() == Peers::Store::kAway;
    if (!reaches_store && others_reach_none) lease_.Prolong(now);
  }
  requests_->Settle(sync_->IsSilentFor(kHandOverWithoutStore, now), now);
  if (membership_.is_known()) {
    map_.Publish(keeper_->table(), now);
    notes_.Tell(reaches_store, now);
    UpdateReadiness(now);
  }
  SyncIfDue(now);
  const double tick_s = Seconds(IsSettled(now) ? kSettledTick : kTick);
  if (tick_.repeat != tick_s) {
    tick_.repeat = tick_s;
    ev_timer_again(loop_, &tick_);
  }
}

void Ownership::OnSynced(SteadyTime sent, const SyncAnswer& answer) {
  const SteadyTime now = SteadyClock::now();
  if (answer.lost_time) keeper_->ReclaimAll();
  // What was lost goes first: the lease is of all shards.
  keeper_->Learn(answer.changed);
  lease_.Renew(sent, answer.renewed, now);
  if (membership_.Learn(answer.members, now)) {
    metrics_.members.Set(static_cast<double>(membership_.members().size()));
    keeper_->SetPlacement(Placement(membership_.members(), membership_.suspects()), membership_.Fit());
    peers_->SetMembers(membership_.Others());
    map_.MarkChanged();
  }
  keeper_->OnMembersKnown(sent);
}

void Ownership::SetState(MemberState state) {
  if (membership_.SetState(state)) sync_->WantSoon();
}

void Ownership::UpdateReadiness(SteadyTime now) {
  const Member& self = membership_.self();
  readiness_.Update({
      .lease_is_good = lease_.IsGood(),
      .is_suspect = membership_.IsSuspect(self.id),
      .address = self.address.empty() ? self.unix_path : self.address,
      .state = self.state,
      .is_complete = readiness_.was_complete() || keeper_->IsComplete() ||
                     now - membership_.joined() > kCompletionPatience,
      .store_is_unsafe = sync_->unsafe(),
      .own_store_fails = !config_.shared && sync_->has_failed(),
      .store = sync_->TroubleFor(config_.member_ttl / 3 + kUnreadySilence, now),
  });
}

void Ownership::SyncIfDue(SteadyTime now) {
  if (!sync_->IsDue(now, membership_.SuspicionIsPending())) return;
  metrics_.suspicions.Increment(static_cast<double>(membership_.SetUnreachable(peers_->unreachable())));
  sync_->Send(now, PrintMember(membership_.self()));
}

bool Ownership::IsSettled(SteadyTime now) const {
  return membership_.self().state == MemberState::kServing && readiness_.was_complete() && lease_.IsGood() &&
         !map_.is_changed() && !notes_.has_news() && !sync_->is_wanted() && sync_->ReachesStore(now) &&
         !membership_.SuspicionIsPending() && !keeper_->is_claiming() && peers_->IsSettled() &&
         !requests_->has_evictions();
}

}  // namespace dormouse
