#include "statekeeper/calls/hub_calls.h"

#include <chrono>
#include <memory>
#include <utility>

#include "common/clock.h"
#include "common/rpc/unary_call.h"
#include "statekeeper/admin/find_member.h"

namespace dormouse {
namespace {

constexpr int64_t kAgainMs = 20;
constexpr int64_t kLookMs = 100;  // at peers, while something waits for them
// Tries that wait; more are refused.
constexpr size_t kMostWaiting = 10'000;

HubCaller::Answer Failure(std::string why, bool retryable) {
  return {.payload = {}, .failure = std::move(why), .retryable = retryable};
}

HubCaller::Answer AnswerOf(HubRequest::Outcome outcome, std::string text) {
  switch (outcome) {
    case HubRequest::Outcome::kAnswered:
      return {.payload = std::move(text), .failure = {}};
    case HubRequest::Outcome::kFailed:
    case HubRequest::Outcome::kNoClass:
      return Failure(std::move(text), false);
    case HubRequest::Outcome::kStore:
    case HubRequest::Outcome::kNotOwner:
      return Failure(std::move(text), true);
  }
  return Failure("unknown outcome", false);
}

}  // namespace

HubCalls::HubCalls(uint64_t self, std::shared_ptr<const LinkCredentials> credentials)
    : peers_(self, std::move(credentials)), repeater_([this] { Repeat(); }) {}

HubCalls::~HubCalls() { Stop(); }

void HubCalls::Use(LaneShards* shards, ClusterAdmin* cluster) {
  shards_ = shards;
  cluster_ = cluster;
}

void HubCalls::Call(std::string hub, std::string payload, int64_t timeout_ms, Done done) {
  TryHere({std::move(hub), std::make_shared<const std::string>(std::move(payload)), SteadyMs() + timeout_ms,
           std::move(done)});
}

void HubCalls::TryHere(const Try& what) {
  const bool taken =
      shards_->CallHub(what.hub, *what.payload, [this, what](HubRequest::Outcome outcome, std::string text) {
        if (outcome == HubRequest::Outcome::kNotOwner) return TryOwner(what);
        what.done(AnswerOf(outcome, std::move(text)));
      });
  if (!taken) what.done(Failure("This statekeeper is too busy", true));
}

void HubCalls::TryOwner(Try what) {
  const std::shared_ptr<const ClusterView> view = cluster_->View();
  grpc::Status status;
  const MemberView* const owner = FindOwnerOfHub(*view, what.hub, &status);
  if (owner == nullptr || owner->is_self) return TryAgain(std::move(what), "Nobody owns the hub yet");
  const ShardId shard = ShardOf(what.hub, view->shard_count);
  peers_.Send(*owner, shard, what.hub, *what.payload, what.until_ms, [this, what](calls::Answer answer) {
    if (answer.not_owner()) return TryAgain(what, answer.failure());
    what.done({.payload = std::move(*answer.mutable_payload()),
               .failure = std::move(*answer.mutable_failure()),
               .retryable = answer.retryable()});
  });
  WatchPeers();
}

// After something was sent: what is looked at before would not be it.
void HubCalls::WatchPeers() {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || peers_wait_) return;
    peers_wait_ = true;
  }
  changed_.notify_all();
}

void HubCalls::TryAgain(Try what, const std::string& why) {
  const int64_t now_ms = SteadyMs();
  {
    const std::lock_guard lock(mutex_);
    if (!ending_ && now_ms < what.until_ms && again_.size() < kMostWaiting) {
      again_.emplace_back(now_ms + kAgainMs, std::move(what));
      changed_.notify_all();
      return;
    }
  }
  what.done(Failure(why, true));
}

void HubCalls::Repeat() {
  std::unique_lock lock(mutex_);
  int64_t look_ms = 0;
  while (!ending_) {
    const int64_t now_ms = SteadyMs();
    if (!again_.empty() && again_.front().first <= now_ms) {
      Try what = std::move(again_.front().second);
      again_.pop_front();
      lock.unlock();
      TryHere(what);
      lock.lock();
      continue;
    }
    if (peers_wait_ && look_ms <= now_ms) {
      look_ms = now_ms + kLookMs;
      peers_wait_ = false;
      lock.unlock();
      const bool more = peers_.Look(*cluster_->View());
      lock.lock();
      peers_wait_ = peers_wait_ || more;
      continue;
    }
    if (again_.empty() && !peers_wait_) {
      changed_.wait(lock);
      continue;
    }
    int64_t next_ms = peers_wait_ ? look_ms : INT64_MAX;
    if (!again_.empty()) next_ms = std::min(next_ms, again_.front().first);
    changed_.wait_for(lock, std::chrono::milliseconds(next_ms - now_ms));
  }
}

// --- The other side.

void HubCalls::Serve(CompletionThread* thread) {
  peers_.Use(thread);
  AcceptUnary(thread, &service_, &calls::Calls::AsyncService::RequestDeliver,
              [this](const grpc::ServerContext&, const calls::Batch& batch,
                     const std::shared_ptr<UnaryCall<calls::Delivered>>& call) {
                if (peers_.OnBatch(batch)) {
                  for (const calls::Request& request : batch.requests()) Carry(batch.from(), request);
                }
                call->Answer({});
              });
}

void HubCalls::Carry(uint64_t from, const calls::Request& request) {
  const auto answer = [this, from, number = request.number()](HubCaller::Answer said, bool not_owner) {
    calls::Answer back;
    back.set_number(number);
    back.set_payload(std::move(said.payload));
    back.set_failure(std::move(said.failure));
    back.set_retryable(said.retryable);
    back.set_not_owner(not_owner);
    peers_.Answer(from, std::move(back));
    WatchPeers();  // where it is has to be found out
  };
  const bool taken = shards_->CallHub(
      request.hub(), request.payload(), [answer](HubRequest::Outcome outcome, std::string text) {
        answer(AnswerOf(outcome, std::move(text)), outcome == HubRequest::Outcome::kNotOwner);
      });
  if (!taken) answer(Failure("The hub's statekeeper is too busy", true), false);
}

void HubCalls::Stop() {
  peers_.Use(nullptr);
  std::deque<std::pair<int64_t, Try>> left;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    left.swap(again_);
  }
  changed_.notify_all();
  if (repeater_.joinable()) repeater_.join();
  for (auto& [when, what] : left) what.done(Failure("This statekeeper stops", true));
}

}  // namespace dormouse
