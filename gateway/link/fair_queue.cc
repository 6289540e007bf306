#include "gateway/link/fair_queue.h"

#include <utility>

namespace dormouse {

EventView FairQueue::Waiting::view() const {
  EventView view = event;
  view.hub = hub;
  view.payload = payload;
  return view;
}

size_t FairQueue::Append(const EventView& event, SharedTail tail, uint64_t before) {
  const auto [it, is_new] = flows_.try_emplace(event.connection);
  Flow& flow = it->second;
  if (is_new) {
    flow.shard = event.shard;
    Form(event.connection, &flow);
  }
  flow.events.push_back({event, std::string(event.hub), std::string(event.payload), std::move(tail), before});
  if (before != 0) ++before_[before];
  return flow.events.back().bytes();
}

void FairQueue::Form(uint64_t connection, Flow* flow) {
  flow->number = ++formed_;
  new_.push_back({connection, flow->number});
}

FairQueue::Waiting FairQueue::Next() {
  while (true) {
    const bool new_ones = !new_.empty() && (old_.empty() || !new_had_turn_);
    std::deque<Turn>& turns = new_ones ? new_ : old_;
    const Turn turn = turns.front();
    const auto found = flows_.find(turn.connection);
    if (found == flows_.end() || found->second.number != turn.number) {
      turns.pop_front();
      continue;
    }
    Flow& flow = found->second;
    const size_t cost = flow.events.front().cost();
    if (cost > flow.left) {
      flow.left += kTurnBytes;
      new_had_turn_ = new_ones;
      turns.pop_front();
      old_.push_back(turn);
      continue;
    }
    flow.left -= cost;
    Waiting next = std::move(flow.events.front());
    flow.events.pop_front();
    Uncount(next.before);
    if (flow.events.empty()) {
      flows_.erase(found);
      turns.pop_front();
      new_had_turn_ = new_ones;
    }
    return next;
  }
}

void FairQueue::ForEach(absl::FunctionRef<void(const Waiting&)> visit) const {
  for (const std::deque<Turn>* turns : {&new_, &old_}) {
    for (const Turn& turn : *turns) {
      const auto found = flows_.find(turn.connection);
      if (found == flows_.end() || found->second.number != turn.number) continue;
      for (const Waiting& waiting : found->second.events) visit(waiting);
    }
  }
}

void FairQueue::Move(ShardId shard, FairQueue* to, uint64_t before) {
  for (auto it = flows_.begin(); it != flows_.end();) {
    const auto at = it++;
    if (at->second.shard != shard) continue;
    SetBefore(&at->second, 0);
    to->SetBefore(&at->second, before);
    to->Form(at->first, &at->second);
    to->flows_.insert(flows_.extract(at));
  }
}

void FairQueue::Renumber(uint64_t before) {
  for (auto& [connection, flow] : flows_) SetBefore(&flow, before);
}

void FairQueue::SetBefore(Flow* flow, uint64_t before) {
  for (Waiting& each : flow->events) {
    if (!IsReturn(each.event.kind)) continue;
    Uncount(each.before);
    each.before = before;
    if (before != 0) ++before_[before];
  }
}

void FairQueue::Uncount(uint64_t before) {
  const auto found = before_.find(before);
  if (found != before_.end() && --found->second == 0) before_.erase(found);
}

std::optional<uint64_t> FairQueue::first_before() const {
  if (before_.empty()) return std::nullopt;
  return before_.begin()->first;
}

}  // namespace dormouse
