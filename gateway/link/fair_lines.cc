#include "gateway/link/fair_lines.h"

#include <utility>

namespace dormouse {

EventView FairLines::Waiting::view() const {
  EventView view = event;
  view.hub = hub;
  view.payload = payload;
  return view;
}

size_t FairLines::Append(const EventView& event) {
  const auto [it, is_new] = lines_.try_emplace(event.connection);
  Line& line = it->second;
  if (is_new) {
    line.shard = event.shard;
    Form(event.connection, &line);
  }
  line.events.push_back({event, std::string(event.hub), std::string(event.payload)});
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
    const size_t bytes = line.events.front().bytes();
    if (bytes > line.left) {
      line.left += kTurnBytes;
      new_had_turn_ = new_ones;
      turns.pop_front();
      old_.push_back(turn);
      continue;
    }
    line.left -= bytes;
    Waiting next = std::move(line.events.front());
    line.events.pop_front();
    if (line.events.empty()) {
      lines_.erase(found);
      turns.pop_front();
      new_had_turn_ = new_ones;
    }
    return next;
  }
}

std::deque<FairLines::Waiting> FairLines::Take(uint64_t connection) {
  const auto found = lines_.find(connection);
  if (found == lines_.end()) return {};
  std::deque<Waiting> events = std::move(found->second.events);
  lines_.erase(found);
  return events;
}

void FairLines::Move(ShardId shard, FairLines* to) {
  for (auto it = lines_.begin(); it != lines_.end();) {
    const auto at = it++;
    if (at->second.shard != shard) continue;
    to->Form(at->first, &at->second);
    to->lines_.insert(lines_.extract(at));
  }
}

}  // namespace dormouse
