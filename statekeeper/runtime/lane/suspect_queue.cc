#include "statekeeper/runtime/lane/suspect_queue.h"

#include <utility>

namespace dormouse {

void SuspectQueue::Add(std::shared_ptr<AwakeHub> hub) {
  hubs_.push_back(std::move(hub));
  if (!asked_) Ask();
}

void SuspectQueue::Ask() {
  asked_ = true;
  // Not within the hub's call, however soon it is.
  if (turn_->Ask(this, [this] { given_.Send(); })) given_.Send();
}

void SuspectQueue::OnTurn() {
  const std::shared_ptr<AwakeHub> hub = std::move(hubs_.front());
  hubs_.pop_front();
  hub->OnSuspectTurn();
}

void SuspectQueue::EndTurn() {
  asked_ = false;
  turn_->GiveBack();
  if (!hubs_.empty()) Ask();
}

}  // namespace dormouse
