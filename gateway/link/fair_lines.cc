#include "gateway/link/fair_lines.h"

#include <utility>

namespace dormouse {

EventView FairLines::Waiting::view() const {
  EventView view = event;
  view.hub = hub;
  view.payload = payload;
  return view;
}

size_t FairLines::Append(const EventView& event, SharedTail tail, uint64_t before) {
  const auto [it, is_new] = lines_.try_emplace(event.connection);
  Line& line = it->second;
  if (is_new) {
    line.shard = event.shard;
    Form(event.connection, &line);
  }
  line.events.push_back({event, std::string(event.hub), std::string(event.payload), std::move(tail), before});
  if (before != 0) ++before_[before];
  return line.events.back().bytes();
}

void FairLines::Form(uint64_t connection, Line* line) {
  line->number = ++formed_;
  new_.push_back({connection, line->number});
}

FairLines::Waiting FairLines::Next() {
  while (true) {
    const bool new_ones = !new_.empty() && (old_.empty() || !new_had_turn_);
    std::deque<Turn>& turns = new_ones ? new_ : old_;
    const Turn turn = turns.front();
    const auto found = lines_.find(turn.connection);
    if (found == lines_.end() || found->second.number != turn.number) {
      turns.pop_front();
      continue;
    }
    Line& line = found->second;
    const size_t cost = line.events.front().cost();
    if (cost > line.left) {
      line.left += kTurnBytes;
      new_had_turn_ = new_ones;
      turns.pop_front();
      old_.push_back(turn);
      continue;
    }
    line.left -= cost;
    Waiting next = std::move(line.events.front());
    line.events.pop_front();
    Uncount(next.before);
    if (line.events.empty()) {
      lines_.erase(found);
      turns.pop_front();
      new_had_turn_ = new_ones;
    }
    return next;
  }
}

void FairLines::Move(ShardId shard, FairLines* to, uint64_t before) {
  for (auto it = lines_.begin(); it != lines_.end();) {
    const auto at = it++;
    if (at->second.shard != shard) continue;
    SetBefore(&at->second, 0);
    to->SetBefore(&at->second, before);
    to->Form(at->first, &at->second);
    to->lines_.insert(lines_.extract(at));
  }
}

void FairLines::Renumber(uint64_t before) {
  for (auto& [connection, line] : lines_) SetBefore(&line, before);
}

void FairLines::SetBefore(Line* line, uint64_t before) {
  for (Waiting& each : line->events) {
    if (!IsReturn(each.event.kind)) continue;
    Uncount(each.before);
    each.before = before;
    if (before != 0) ++before_[before];
  }
}

void FairLines::Uncount(uint64_t before) {
  const auto found = before_.find(before);
  if (found != before_.end() && --found->second == 0) before_.erase(found);
}

std::optional<uint64_t> FairLines::first_before() const {
  if (before_.empty()) return std::nullopt;
  return before_.begin()->first;
}

}  // namespace dormouse
