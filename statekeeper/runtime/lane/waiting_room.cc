#include "statekeeper/runtime/lane/waiting_room.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/clock.h"
#include "statekeeper/runtime/hub/awake_hub.h"

namespace dormouse {
namespace {

// What it takes to keep a hub's place, apart from its events: list, map and allocator.
size_t BytesOf(const WaitingRoom::Waiter& waiter) {
  size_t bytes = sizeof(waiter) + waiter.name.capacity() + 100;
  for (const HubEvent& event : waiter.events) bytes += dormouse::BytesOf(event);
  return bytes;
}

// Whether clients wait in it that have nothing to do with each other.
bool IsShared(WaitingRoom::Line line) {
  return line == WaitingRoom::Line::kOpens || line == WaitingRoom::Line::kNew ||
         line == WaitingRoom::Line::kReplayed;
}

}  // namespace

void WaitingRoom::Add(std::shared_ptr<AwakeHub> hub, Line line) {
  const ShardEpoch shard = hub->shard();
  lines_[static_cast<size_t>(line)].push_back({std::move(hub), shard, {}, {}, SteadyMs()});
}

void WaitingRoom::Add(std::string_view hub, const ShardEpoch& shard, HubEvent event) {
  if (Append(hub, shard, &event)) return;
  Queue& line = lines_[static_cast<size_t>(LineOf(event))];
  line.push_back({nullptr, shard, std::string(hub), {}, SteadyMs()});
  Waiter& waiter = line.back();
  waiter.events.push_back(std::move(event));
  bytes_ += BytesOf(waiter);
  asleep_.insert_or_assign(waiter.name, std::prev(line.end()));
}

bool WaitingRoom::Append(std::string_view hub, const ShardEpoch& shard, HubEvent* event) {
  if (asleep_.empty()) return false;
  const auto found = asleep_.find(hub);
  if (found == asleep_.end()) return false;
  Waiter& waiter = *found->second;
  if (waiter.shard != shard) {
    // Of an epoch that is over. The one that takes its place lies in another line, maybe.
    asleep_.erase(found);
    return false;
  }
  bytes_ += BytesOf(*event);
  waiter.events.push_back(std::move(*event));
  return true;
}

bool WaitingRoom::Has(std::string_view hub, const ShardEpoch& shard) const {
  const auto found = asleep_.find(hub);
  return found != asleep_.end() && found->second->shard == shard;
}

bool WaitingRoom::IsOpen(size_t line, Open open) {
  switch (static_cast<Line>(line)) {
    case Line::kReady:
      return true;
    case Line::kSuspect:
      return open.room && open.suspects;
    default:
      return open.room;
  }
}

bool WaitingRoom::HasNext(Open open) const {
  for (size_t i = 0; i < kLines; ++i) {
    if (!lines_[i].empty() && IsOpen(i, open)) return true;
  }
  return false;
}

WaitingRoom::Waiter WaitingRoom::Next(Open open) {
  do {
    last_ = (last_ + 1) % kLines;
  } while (lines_[last_].empty() || !IsOpen(last_, open));
  Queue& line = lines_[last_];
  bool& newest_next = newest_next_[last_];
  const bool newest = newest_next && IsShared(static_cast<Line>(last_));
  newest_next = !newest_next;
  return Take(&line, newest ? std::prev(line.end()) : line.begin());
}

int64_t WaitingRoom::OldestMs() const {
  int64_t oldest_ms = 0;
  for (size_t i = 1; i < lines_.size(); ++i) {
    if (lines_[i].empty()) continue;
    const int64_t since_ms = lines_[i].front().since_ms;
    oldest_ms = oldest_ms == 0 ? since_ms : std::min(oldest_ms, since_ms);
  }
  return oldest_ms;
}

WaitingRoom::Waiter WaitingRoom::TakeOldest() {
  const int64_t oldest_ms = OldestMs();
  for (size_t i = 1; i < lines_.size(); ++i) {
    if (!lines_[i].empty() && lines_[i].front().since_ms == oldest_ms)
      return Take(&lines_[i], lines_[i].begin());
  }
  return {};
}

WaitingRoom::Waiter WaitingRoom::Take(Queue* line, Queue::iterator at) {
  if (at->hub == nullptr) {
    bytes_ -= BytesOf(*at);
    const auto found = asleep_.find(at->name);
    if (found != asleep_.end() && found->second == at) asleep_.erase(found);
  }
  Waiter waiter = std::move(*at);
  line->erase(at);
  return waiter;
}

std::vector<WaitingRoom::Waiter> WaitingRoom::Extract(const std::vector<ShardEpoch>& shards) {
  std::vector<Waiter> out;
  if (asleep_.empty()) return out;
  std::unordered_map<ShardId, uint32_t> epochs;
  for (const ShardEpoch& each : shards) epochs.emplace(each.shard, each.epoch);
  for (Queue& line : lines_) {
    for (auto it = line.begin(); it != line.end();) {
      const auto at = it++;
      const auto wanted = epochs.find(at->shard.shard);
      if (at->hub == nullptr && wanted != epochs.end() && wanted->second == at->shard.epoch)
        out.push_back(Take(&line, at));
    }
  }
  return out;
}

bool WaitingRoom::empty() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const Queue& line) { return line.empty(); });
}

size_t WaitingRoom::size() const {
  size_t size = 0;
  for (const Queue& line : lines_) size += line.size();
  return size;
}

}  // namespace dormouse
