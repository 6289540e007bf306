#include "statekeeper/runtime/lane/suspect_queue.h"

#include <utility>

namespace dormouse {

SuspectQueue::SuspectQueue(struct ev_loop* loop, SuspectTurn* turn) : loop_(loop), turn_(turn) {
  ev_async_init(&given_, &SuspectQueue::OnTurn);
  given_.data = this;
  ev_async_start(loop_, &given_);
}

SuspectQueue::~SuspectQueue() {
  turn_->Leave(this);
  ev_async_stop(loop_, &given_);
}

void SuspectQueue::Add(std::shared_ptr<AwakeHub> hub) {
  hubs_.push_back(std::move(hub));
  if (!asked_) Ask();
}

void SuspectQueue::Ask() {
  asked_ = true;
  // Not within the hub's call, however soon it is.
  if (turn_->Ask(this, [this] { ev_async_send(loop_, &given_); })) ev_async_send(loop_, &given_);
}

void SuspectQueue::OnTurn(struct ev_loop*, ev_async* watcher, int) {
  auto* const self = static_cast<SuspectQueue*>(watcher->data);
  const std::shared_ptr<AwakeHub> hub = std::move(self->hubs_.front());
  self->hubs_.pop_front();
  hub->OnSuspectTurn();
}

void SuspectQueue::EndTurn() {
  asked_ = false;
  turn_->GiveBack();
  if (!hubs_.empty()) Ask();
}

}  // namespace dormouse
