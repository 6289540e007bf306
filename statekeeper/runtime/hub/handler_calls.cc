#include "statekeeper/runtime/hub/handler_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "statekeeper/runtime/hub/over_limit.h"

namespace dormouse {
namespace {

// Hubs that wait for one call, each for the next.
constexpr size_t kMostWaitingForCall = 16;

}  // namespace

Context::CallAnswer HandlerCalls::Call(const HubEvent& event, uint64_t number, HubContext* context,
                                       std::string hub, std::string_view payload,
                                       std::chrono::milliseconds deadline) {
  HubCaller::Question question{
      .hub = std::move(hub), .payload = std::string(payload), .timeout_ms = deadline.count()};
  if (const auto* const asked = std::get_if<event::Request>(&event)) {
    const HubRequest::Caller& caller = asked->request->caller();
    question.waiting = caller.waiting;
    if (caller.until_ms != 0)
      question.timeout_ms = std::min(question.timeout_ms, caller.until_ms - SteadyMs());
  }
  question.waiting.push_back(hub_.name);
  if (context->span() != nullptr) question.traceparent = context->span()->traceparent();
  if (std::ranges::find(question.waiting, question.hub) != question.waiting.end()) {
    return {
        .payload = {},
        .failure = fmt::format("{} waits for this call itself: hubs that call one another in a circle would "
                               "wait for ever",
                               question.hub)};
  }
  if (question.waiting.size() > kMostWaitingForCall) {
    return {.payload = {},
            .failure = fmt::format("{} hubs wait for one another already", kMostWaitingForCall)};
  }
  if (question.timeout_ms <= 0)
    return {.payload = {}, .failure = "There is no time left for this call", .retryable = true};
  if (context->has_called() && !hub_.host->fibers()->MaySuspend())
    return {.payload = {}, .failure = "Too many handlers of this statekeeper wait", .retryable = true};
  hub_.state->CheckMayWait();
  if (!hub_.state->CountState(hub_.host->limits().max_state)) throw OverLimit(Hub::Failure::kStateFull);
  context->set_has_called();
  if (!Is<event::AlarmDue>(event)) hub_.alarm->OnHandled(*context);
  Commit(number);
  clock_->Pause();
  HubCaller::Answer answer = hub_.host->Call(std::move(question));
  clock_->Continue();
  if (deposed_) throw StoreAway();
  return {.payload = std::move(answer.payload),
          .failure = std::move(answer.failure),
          .retryable = answer.retryable,
          .unknown = answer.unknown};
}

void HandlerCalls::Commit(uint64_t number) {
  HubState::Change change = hub_.state->TakeChange();
  if (change.empty() && gate_->IsOpen()) return;
  if (!change.empty() && gate_->in_doubt()) {
    hub_.state->Revert(std::move(change));
    throw StoreAway();
  }
  OutputGate::Handled part{.event = event::Resumed{},
                           .output = OutputOf(event::Resumed{}, hub_.shard, {}),
                           .sequel = {},
                           .number = number};
  part.sequel.durable = [this] { EndWait(true); };
  waits_ = hub_.host->fibers()->current();
  is_durable_ = false;
  if (gate_->Hold(std::move(part), std::move(change))) commit_soon_();
  clock_->Pause();
  hub_.host->fibers()->Suspend();
  clock_->Continue();
  if (!is_durable_ || deposed_) throw StoreAway();
}

void HandlerCalls::EndWait(bool durable) {
  if (waits_ == nullptr) return;
  is_durable_ = durable;
  hub_.host->ResumeSoon(std::exchange(waits_, nullptr));
}

void HandlerCalls::Depose() {
  deposed_ = true;
  EndWait(false);
}

void HandlerCalls::KeepCloses(HubContext* context, uint64_t number) {
  if (!context->has_called() || gate_->has_failed()) return;
  EventOutput output = OutputOf(event::Resumed{}, hub_.shard, context->TakeCloses());
  if (output.outputs.empty()) return;
  if (gate_->IsOpen()) return hub_.host->Release(std::move(output));
  gate_->Hold({event::Resumed{}, std::move(output), {}, number}, {});
}

}  // namespace dormouse
