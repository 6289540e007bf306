#include "statekeeper/runtime/lane/outgoing_calls.h"

#include <algorithm>
#include <vector>

#include "common/clock.h"

namespace dormouse {

OutgoingCalls::OutgoingCalls(struct ev_loop* loop, HubCaller* caller, FiberPool* fibers, size_t most)
    : loop_(loop),
      caller_(caller),
      fibers_(fibers),
      most_(std::max<size_t>(1, most)),
      answers_(std::make_shared<TaskQueue>(loop)) {
  ev_timer_init(&timer_, &OutgoingCalls::OnTimer, 0, 0);
  timer_.data = this;
}

OutgoingCalls::~OutgoingCalls() {
  ev_timer_stop(loop_, &timer_);
  answers_->Close();
}

void OutgoingCalls::ResumeSoon(Fiber* fiber) {
  answers_->Post([this, fiber] { fibers_->Resume(fiber); });
}

HubCaller::Answer OutgoingCalls::Call(HubCaller::Question question) {
  if (caller_ == nullptr) return {.payload = {}, .failure = "Hubs cannot be called here"};
  if (waiting_.size() >= most_) {
    return {.payload = {},
            .failure = "Too many handlers of this statekeeper wait for calls of other hubs",
            .retryable = true};
  }
  const uint64_t number = ++last_number_;
  const auto at =
      waiting_.emplace(number, Waiting{fibers_->current(), SteadyMs() + question.timeout_ms, std::nullopt})
          .first;
  // `this` is there when a task runs: the queue is closed before it goes.
  caller_->Call(std::move(question), [this, number, queue = answers_](HubCaller::Answer answer) {
    queue->Post(
        [this, number, answer = std::move(answer)]() mutable { OnAnswer(number, std::move(answer)); });
  });
  Arm();
  fibers_->Suspend();
  HubCaller::Answer answer = std::move(*at->second.answer);
  waiting_.erase(at);
  return answer;
}

void OutgoingCalls::OnAnswer(uint64_t number, HubCaller::Answer answer) {
  const auto at = waiting_.find(number);
  if (at == waiting_.end() || at->second.answer) return;  // its time was over
  at->second.answer = std::move(answer);
  fibers_->Resume(at->second.fiber);
}

void OutgoingCalls::Arm() {
  if (waiting_.empty()) return;
  int64_t next_ms = INT64_MAX;
  for (const auto& [number, each] : waiting_) next_ms = std::min(next_ms, each.until_ms);
  ev_timer_stop(loop_, &timer_);
  ev_now_update(loop_);
  ev_timer_set(&timer_, static_cast<double>(std::max<int64_t>(next_ms - SteadyMs(), 0) + 1) / 1000, 0);
  ev_timer_start(loop_, &timer_);
}

void OutgoingCalls::OnTimer(struct ev_loop*, ev_timer* timer, int) {
  auto* const calls = static_cast<OutgoingCalls*>(timer->data);
  const int64_t now_ms = SteadyMs();
  std::vector<uint64_t> late;
  for (const auto& [number, each] : calls->waiting_) {
    if (each.until_ms <= now_ms) late.push_back(number);
  }
  for (const uint64_t number : late) {
    calls->OnAnswer(
        number,
        {.payload = {}, .failure = "The hub has not answered in time", .retryable = true, .unknown = true});
  }
  calls->Arm();
}

}  // namespace dormouse
