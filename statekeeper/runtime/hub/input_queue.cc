#include "statekeeper/runtime/hub/input_queue.h"

namespace dormouse {

HubEvent InputQueue::Take() {
  std::deque<HubEvent>& from = resumed_.empty() ? events_ : resumed_;
  HubEvent event = std::move(from.front());
  from.pop_front();
  return event;
}

void InputQueue::Add(HubEvent event) { events_.push_back(std::move(event)); }

void InputQueue::AddFirst(HubEvent event) {
  (Is<event::Resumed>(event) ? resumed_ : events_).push_front(std::move(event));
}

void InputQueue::AddBehindGoneGateways(HubEvent event) {
  if (Is<event::Resumed>(event)) return AddFirst(std::move(event));
  events_.insert(std::find_if_not(events_.begin(), events_.end(), &Is<event::GatewayGone>), std::move(event));
}

void InputQueue::SetAside(HubEvent event, bool in_order) {
  // Those that wait for the store since nobody is told of its absence keep their order.
  if (in_order || FindMessage(event) != nullptr) all_wait_aside_ = true;
  aside_.push_back(std::move(event));
}

std::vector<HubEvent> InputQueue::TakeAside() {
  all_wait_aside_ = false;
  return std::exchange(aside_, {});
}

bool InputQueue::MustWaitAside(const HubEvent& event) const {
  if (aside_.empty()) return false;
  const auto* const from = std::get_if<event::FromGateway>(&event);
  if (from == nullptr) return Is<event::Recalled>(event);
  if (all_wait_aside_) return true;
  return from->kind == EventKind::kUndelivered || from->kind == EventKind::kUnconfirmed ||
         from->kind == EventKind::kLost;
}

std::vector<HubEvent> InputQueue::TakeAll() {
  std::vector<HubEvent> all = TakeAside();
  for (HubEvent& event : events_) all.push_back(std::move(event));
  Clear();
  return all;
}

void InputQueue::Clear() {
  events_.clear();
  resumed_.clear();
  aside_.clear();
  all_wait_aside_ = false;
}

size_t InputQueue::bytes() const {
  size_t bytes = 0;
  for (const HubEvent& event : events_) bytes += BytesOf(event);
  return bytes;
}

}  // namespace dormouse
