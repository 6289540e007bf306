#include "statekeeper/runtime/hub/input_queue.h"

namespace dormouse {

HubEvent InputQueue::Take() {
  HubEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void InputQueue::Add(HubEvent event) { events_.push_back(std::move(event)); }

void InputQueue::AddFirst(HubEvent event) { events_.push_front(std::move(event)); }

void InputQueue::AddBehindGoneGateways(HubEvent event) {
  events_.insert(std::find_if_not(events_.begin(), events_.end(), &Is<event::GatewayGone>), std::move(event));
}

void InputQueue::SetAside(HubEvent event) { aside_.push_back(std::move(event)); }

bool InputQueue::MustWaitAside(const HubEvent& event) const {
  if (aside_.empty()) return false;
  const auto* const from = std::get_if<event::FromGateway>(&event);
  if (from == nullptr) return Is<event::Recalled>(event);
  return from->kind == EventKind::kUndelivered || from->kind == EventKind::kUnconfirmed ||
         from->kind == EventKind::kLost;
}

void InputQueue::Clear() {
  events_.clear();
  aside_.clear();
}

size_t InputQueue::bytes() const {
  size_t bytes = 0;
  for (const HubEvent& event : events_) bytes += BytesOf(event);
  return bytes;
}

}  // namespace dormouse
