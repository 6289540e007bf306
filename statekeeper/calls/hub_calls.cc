#include "statekeeper/calls/hub_calls.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "common/clock.h"
#include "common/rpc/unary_call.h"
#include "common/rpc/unary_question.h"
#include "statekeeper/admin/find_member.h"

namespace dormouse {
namespace {

constexpr int64_t kAgainMs = 20;
// Tries that wait; more are refused.
constexpr size_t kMostWaiting = 10'000;
// Of members that are no more channels are let go now and then.
constexpr size_t kMostChannels = 64;

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

HubCalls::HubCalls(std::shared_ptr<const LinkCredentials> credentials)
    : credentials_(std::move(credentials)), repeater_([this] { Repeat(); }) {}

HubCalls::~HubCalls() { Stop(); }

void HubCalls::Use(LaneShards* shards, ClusterAdmin* cluster) {
  shards_ = shards;
  cluster_ = cluster;
}

void HubCalls::Call(std::string hub, std::string payload, int64_t timeout_ms, Done done) {
  TryHere({std::move(hub), std::make_shared<const std::string>(std::move(payload)), SteadyMs() + timeout_ms,
           std::move(done)});
}

void HubCalls::TryHere(Try what) {
  const bool taken = shards_->CallHub(what.hub, *what.payload, [this, what](HubRequest::Outcome outcome, std::string text) {
    if (outcome == HubRequest::Outcome::kNotOwner) return TryOwner(what);
    what.done(AnswerOf(outcome, std::move(text)));
  });
  if (!taken) what.done(Failure("This statekeeper is too busy", true));
}

void HubCalls::TryOwner(Try what) {
  const ClusterView view = cluster_->View();
  grpc::Status status;
  const MemberView* const owner = FindOwnerOfHub(view, what.hub, &status);
  CompletionThread* thread = nullptr;
  {
    const std::lock_guard lock(mutex_);
    thread = thread_;
  }
  if (thread == nullptr || owner == nullptr || owner->is_self)
    return TryAgain(std::move(what), "Nobody owns the hub yet");
  Ask(thread, *owner, std::move(what));
}

LinkChannel HubCalls::ChannelTo(const MemberView& member) {
  const std::lock_guard lock(mutex_);
  if (channels_.size() > kMostChannels) channels_.clear();
  LinkChannel& channel = channels_[member.id];
  if (!channel) {
    // The name of the socket has the member's id in it: what is there is the member's.
    const bool is_here = !member.unix_path.empty() && access(member.unix_path.c_str(), F_OK) == 0;
    channel = LinkChannel(is_here ? "unix:" + member.unix_path : member.address, credentials_);
  }
  return channel;
}

void HubCalls::Ask(CompletionThread* thread, const MemberView& owner, Try what) {
  const LinkChannel channel = ChannelTo(owner);
  calls::CallRequest request;
  request.set_hub(what.hub);
  request.set_payload(*what.payload);
  auto context = std::make_unique<grpc::ClientContext>();
  channel.Authorize(context.get());
  const int64_t left_ms = std::max<int64_t>(what.until_ms - SteadyMs(), 1);
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(left_ms));
  const auto stub = calls::Calls::NewStub(channel.grpc());
  UnaryQuestion<calls::CallReply>::Ask(
      thread, std::move(context),
      [&](grpc::ClientContext* with, grpc::CompletionQueue* queue) { return stub->AsyncCall(with, request, queue); },
      [this, what = std::move(what)](const grpc::Status& status, calls::CallReply* reply) {
        if (status.ok() && reply->not_owner()) return TryAgain(what, reply->failure());
        if (status.ok()) {
          return what.done({.payload = std::move(*reply->mutable_payload()),
                            .failure = std::move(*reply->mutable_failure()),
                            .retryable = reply->retryable()});
        }
        // It may have begun there: whether it is to be made again is for who knows what it does.
        what.done(Failure("The hub's statekeeper has not answered: " + status.error_message(), true));
      });
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
  while (!ending_) {
    if (again_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const int64_t wait_ms = again_.front().first - SteadyMs();
    if (wait_ms > 0) {
      changed_.wait_for(lock, std::chrono::milliseconds(wait_ms));
      continue;
    }
    Try what = std::move(again_.front().second);
    again_.pop_front();
    lock.unlock();
    TryHere(std::move(what));
    lock.lock();
  }
}

// --- The other side.

void HubCalls::Serve(CompletionThread* thread) {
  {
    const std::lock_guard lock(mutex_);
    thread_ = thread;
  }
  AcceptUnary(thread, &service_, &calls::Calls::AsyncService::RequestCall,
              [this](const grpc::ServerContext&, const calls::CallRequest& request,
                     const std::shared_ptr<UnaryCall<calls::CallReply>>& call) {
                const bool taken = shards_->CallHub(
                    request.hub(), request.payload(), [call](HubRequest::Outcome outcome, std::string text) {
                      HubCaller::Answer answer = AnswerOf(outcome, std::move(text));
                      calls::CallReply reply;
                      reply.set_payload(std::move(answer.payload));
                      reply.set_failure(std::move(answer.failure));
                      reply.set_retryable(answer.retryable);
                      reply.set_not_owner(outcome == HubRequest::Outcome::kNotOwner);
                      call->Answer(reply);
                    });
                if (taken) return;
                calls::CallReply busy;
                busy.set_failure("The hub's statekeeper is too busy");
                busy.set_retryable(true);
                call->Answer(busy);
              });
}

void HubCalls::Stop() {
  std::deque<std::pair<int64_t, Try>> left;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    thread_ = nullptr;
    channels_.clear();
    left.swap(again_);
  }
  changed_.notify_all();
  if (repeater_.joinable()) repeater_.join();
  for (auto& [when, what] : left) what.done(Failure("This statekeeper stops", true));
}

}  // namespace dormouse
