#include "statekeeper/calls/hub_calls.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "common/clock.h"
#include "common/rpc/unary_call.h"
#include "proto/api_repeats.h"
#include "statekeeper/admin/find_member.h"

namespace dormouse {
namespace {

constexpr int64_t kAgainMs = 20;
// After a failure that may last: of the store, of a statekeeper.
constexpr int64_t kAgainAfterFailureMs = 200;
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
      return Failure(std::move(text), false);
    case HubRequest::Outcome::kNoClass: {
      HubCaller::Answer answer = Failure(std::move(text), false);
      answer.no_class = true;
      return answer;
    }
    case HubRequest::Outcome::kNotOwner:
      return Failure(std::move(text), true);
    case HubRequest::Outcome::kStore:
    case HubRequest::Outcome::kUnknown: {
      HubCaller::Answer answer = Failure(std::move(text), true);
      answer.unknown = true;
      return answer;
    }
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

void HubCalls::Call(Question question, Done done) {
  TryHere({std::move(question.hub), std::make_shared<const std::string>(std::move(question.payload)), nullptr,
           HubRequest::Caller{SteadyMs() + question.timeout_ms, std::move(question.waiting),
                              std::move(question.traceparent)},
           std::move(done)});
}

void HubCalls::Command(std::string hub, std::shared_ptr<const api::Request> commands, int64_t timeout_ms,
                       Done done) {
  auto serialized = std::make_shared<const std::string>(commands->SerializeAsString());
  TryHere({std::move(hub), std::move(serialized), std::move(commands),
           HubRequest::Caller{.until_ms = SteadyMs() + timeout_ms}, std::move(done)});
}

bool HubCalls::CallHere(const Try& what, HubRequest::Done done) {
  if (what.commands == nullptr)
    return shards_->CallHub(what.hub, *what.payload, what.caller, std::move(done));
  return shards_->CommandHub(what.hub, what.commands, what.caller.until_ms, what.payload->size(),
                             std::move(done));
}

void HubCalls::TryHere(const Try& what) {
  const bool taken = CallHere(what, [this, what](HubRequest::Outcome outcome, std::string text) {
    if (outcome == HubRequest::Outcome::kNotOwner) return TryOwner(what);
    Finish(what, AnswerOf(outcome, std::move(text)));
  });
  if (!taken) what.done(Failure("This statekeeper is too busy", true));
}

void HubCalls::TryOwner(Try what) {
  const std::shared_ptr<const ClusterView> view = cluster_->View();
  grpc::Status status;
  const MemberView* const owner = FindOwnerOfHub(*view, what.hub, &status);
  if (owner == nullptr || owner->is_self)
    return TryAgain(std::move(what), "Nobody owns the hub yet", kAgainMs);
  const ShardId shard = ShardOf(what.hub, view->shard_count);
  calls::Request request;
  request.set_hub(what.hub);
  *(what.commands == nullptr ? request.mutable_payload() : request.mutable_command()) = *what.payload;
  if (what.commands == nullptr) {
    request.set_timeout_ms(
        static_cast<uint32_t>(std::clamp<int64_t>(what.caller.until_ms - SteadyMs(), 1, UINT32_MAX)));
    for (const std::string& hub : what.caller.waiting) request.add_waiting(hub);
    request.set_traceparent(what.caller.traceparent);
  }
  peers_.Send(*owner, shard, std::move(request), what.caller.until_ms, [this, what](calls::Answer answer) {
    if (answer.not_owner()) return TryAgain(what, answer.failure(), kAgainMs);
    Finish(what, {.payload = std::move(*answer.mutable_payload()),
                  .failure = std::move(*answer.mutable_failure()),
                  .retryable = answer.retryable(),
                  .no_class = answer.no_class(),
                  .unknown = answer.unknown()});
  });
  WatchPeers();
}

void HubCalls::Finish(const Try& what, Answer answer) {
  const bool again = !answer.failure.empty() && answer.retryable && what.commands != nullptr &&
                     MayBeRepeated(*what.commands) &&
                     SteadyMs() + kAgainAfterFailureMs < what.caller.until_ms;
  if (again) return TryAgain(what, answer.failure, kAgainAfterFailureMs);
  what.done(std::move(answer));
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

void HubCalls::TryAgain(Try what, const std::string& why, int64_t after_ms) {
  const int64_t now_ms = SteadyMs();
  {
    const std::lock_guard lock(mutex_);
    if (!ending_ && now_ms < what.caller.until_ms && again_.size() < kMostWaiting) {
      again_.emplace(now_ms + after_ms, std::move(what));
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
    if (!again_.empty() && again_.begin()->first <= now_ms) {
      Try what = std::move(again_.begin()->second);
      again_.erase(again_.begin());
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
    if (!again_.empty()) next_ms = std::min(next_ms, again_.begin()->first);
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
    back.set_no_class(said.no_class);
    back.set_unknown(said.unknown);
    peers_.Answer(from, std::move(back));
    WatchPeers();  // where it is has to be found out
  };
  Try what{request.hub(),
           std::make_shared<const std::string>(request.payload()),
           nullptr,
           {.until_ms = request.timeout_ms() == 0 ? 0 : SteadyMs() + request.timeout_ms(),
            .waiting = {request.waiting().begin(), request.waiting().end()},
            .traceparent = request.traceparent()},
           nullptr};
  if (!request.command().empty()) {
    auto commands = std::make_shared<api::Request>();
    if (!commands->ParseFromString(request.command()))
      return answer(Failure("This request of a backend cannot be read", false), false);
    what.payload = std::make_shared<const std::string>(request.command());
    what.caller.until_ms = commands->timeout_ms() == 0 ? 0 : SteadyMs() + commands->timeout_ms();
    what.commands = std::move(commands);
  }
  const bool taken = CallHere(what, [answer](HubRequest::Outcome outcome, std::string text) {
    answer(AnswerOf(outcome, std::move(text)), outcome == HubRequest::Outcome::kNotOwner);
  });
  if (!taken) answer(Failure("The hub's statekeeper is too busy", true), false);
}

void HubCalls::Stop() {
  peers_.Use(nullptr);
  std::multimap<int64_t, Try> left;
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
