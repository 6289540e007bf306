#include "statekeeper/calls/hub_api.h"

#include <fmt/format.h>

#include <utility>

#include "common/rpc/unary_call.h"
#include "common/shard.h"

namespace dormouse {
namespace {

// Of requests that do not say.
constexpr int64_t kTimeoutMs = 10'000;

void Fail(api::Reply* reply, api::Error::Code code, std::string message) {
  reply->mutable_error()->set_code(code);
  reply->mutable_error()->set_message(std::move(message));
  reply->mutable_error()->set_retryable(code == api::Error::BUSY);
}

api::Reply ReplyOf(HubCaller::Answer answer) {
  api::Reply reply;
  if (answer.failure.empty()) {
    if (!reply.ParseFromString(answer.payload) || (reply.results().empty() && !reply.has_error()))
      Fail(&reply, api::Error::BUSY,
           "The hub's statekeeper is of a version that knows no backends; try again later.");
    return reply;
  }
  if (answer.no_class) {
    Fail(&reply, api::Error::UNKNOWN_CLASS, std::move(answer.failure));
    return reply;
  }
  Fail(&reply, answer.retryable ? api::Error::BUSY : api::Error::HUB_FAILED, answer.failure + ".");
  reply.mutable_error()->set_unknown(answer.unknown || !answer.retryable);
  return reply;
}

}  // namespace

bool HubApi::Begin(const std::string& hub, size_t bytes, api::Reply* refusal) {
  const std::lock_guard lock(mutex_);
  const auto at = by_hub_.find(hub);
  if (at != by_hub_.end() && at->second >= kMostOfHub) {
    Fail(refusal, api::Error::BUSY,
         fmt::format("The hub has {} requests of backends that it has not answered; nothing was done.",
                     kMostOfHub));
    return false;
  }
  if (requests_ >= kMost || bytes_ + bytes > kMostBytes) {
    Fail(refusal, api::Error::BUSY,
         "This statekeeper has too many requests of backends to answer; nothing was done.");
    return false;
  }
  ++requests_;
  bytes_ += bytes;
  ++by_hub_[hub];
  return true;
}

void HubApi::End(const std::string& hub, size_t bytes) {
  const std::lock_guard lock(mutex_);
  --requests_;
  bytes_ -= bytes;
  const auto at = by_hub_.find(hub);
  if (--at->second == 0) by_hub_.erase(at);
}

void HubApi::Serve(CompletionThread* thread) {
  AcceptUnary(thread, &service_, &api::Hubs::AsyncService::RequestAsk,
              [this](const grpc::ServerContext&, const api::Request& request,
                     const std::shared_ptr<UnaryCall<api::Reply>>& call) {
                api::Reply refusal;
                const std::string& hub = request.hub();
                if (HubClassOf(hub).empty() || !IsValidHubName(HubNameOf(hub))) {
                  Fail(&refusal, api::Error::BAD_REQUEST, "A hub is CLASS/NAME.");
                  return call->Answer(refusal);
                }
                const size_t bytes = request.ByteSizeLong();
                if (!Begin(hub, bytes, &refusal)) return call->Answer(refusal);
                auto commands = std::make_shared<api::Request>(request);
                commands->clear_hub();
                const int64_t timeout_ms = request.timeout_ms() == 0 ? kTimeoutMs : request.timeout_ms();
                calls_->Command(hub, std::move(commands), timeout_ms,
                                [this, hub, bytes, call](HubCaller::Answer answer) {
                                  End(hub, bytes);
                                  call->Answer(ReplyOf(std::move(answer)));
                                });
              });
}

}  // namespace dormouse
