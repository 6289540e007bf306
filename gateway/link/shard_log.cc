#include "gateway/link/shard_log.h"

#include <algorithm>
#include <utility>

namespace dormouse {
namespace {

// What an event costs beside its record.
constexpr size_t kOverhead = 64;
// A log that was larger than this for a while gives its memory back when it is empty again.
constexpr size_t kKeptCapacity = 64;

}  // namespace

size_t ShardLog::Append(EventView event, SharedTail tail) {
  event.sequence = last_sequence() + 1;
  std::string record;
  record.reserve(EventBytes(event));
  AppendEvent(event, &record, tail.size);
  size_t bytes = record.size() + kOverhead;
  events_.push_back({.record = std::move(record)});
  ++unsettled_;
  if (tail.size > 0) {
    if (tail.counts) bytes += tail.size;
    tails_.emplace(event.sequence, std::move(tail));
  }
  unsettled_bytes_ += bytes;
  return bytes;
}

void ShardLog::TakeUnsent(size_t max_bytes, EventBatch* batch, uint32_t position) {
  for (; sent_ < events_.size() && batch->size() < max_bytes; ++sent_) {
    const std::string& record = events_[sent_].record;
    batch->Append(record);
    if (!tails_.empty() && !record.empty()) {
      if (const auto tail = tails_.find(first_ + (sent_ - front_)); tail != tails_.end())
        batch->Append(tail->second.view());
    }
    events_[sent_].position = position + static_cast<uint32_t>(batch->size());
  }
}

std::optional<uint32_t> ShardLog::PositionOf(uint64_t sequence) const {
  if (sequence < first_ || sequence > sent_through()) return {};
  const Event& event = events_[front_ + (sequence - first_)];
  if (event.record.empty()) return {};
  return event.position;
}

void ShardLog::Rewind(uint32_t epoch, bool mark_repeated) {
  ever_sent_through_ = std::max(ever_sent_through_, sent_through());
  sent_ = front_;
  for (size_t i = front_; i < events_.size(); ++i) {
    std::string& record = events_[i].record;
    if (record.empty()) continue;
    SetEventEpoch(epoch, record.data());
    if (mark_repeated && first_ + (i - front_) <= ever_sent_through_) SetEventRepeated(record.data());
  }
}

std::optional<uint64_t> ShardLog::EndingAfter(uint32_t position) const {
  for (size_t i = front_; i < sent_; ++i) {
    if (events_[i].record.empty()) continue;
    if (static_cast<int32_t>(events_[i].position - position) > 0) return first_ + (i - front_);
  }
  return {};
}

ShardLog::Verdict ShardLog::AcceptOnce(uint64_t sequence, uint32_t index) {
  if (sequence > last_sequence()) return Verdict::kUnknown;
  if (sequence < first_) return Verdict::kSeen;
  Event& event = events_[front_ + (sequence - first_)];
  if (event.record.empty() || index < event.delivered) return Verdict::kSeen;
  event.delivered = index + 1;
  return Verdict::kDeliver;
}

size_t ShardLog::Settle(uint64_t first, uint64_t last, absl::FunctionRef<void(const EventView&)> on_settled) {
  size_t freed = 0;
  first = std::max(first, first_);
  last = std::min(last, last_sequence());
  for (uint64_t sequence = first; sequence <= last; ++sequence) {
    std::string& record = events_[front_ + (sequence - first_)].record;
    if (record.empty()) continue;
    std::string_view rest = record;
    EventView event;
    if (ReadEvent(&rest, &event)) on_settled(event);
    freed += record.size() + kOverhead;
    --unsettled_;
    std::string().swap(record);
    if (tails_.empty()) continue;
    if (const auto tail = tails_.find(sequence); tail != tails_.end()) {
      if (tail->second.counts) freed += tail->second.size;
      tails_.erase(tail);
    }
  }
  unsettled_bytes_ -= freed;
  DropSettledFront();
  return freed;
}

void ShardLog::Save(takeover::Shard* to) const {
  to->set_first(first_);
  to->set_ever_sent_through(std::max(ever_sent_through_, sent_through()));
}

void ShardLog::ForEach(
    absl::FunctionRef<void(std::string_view record, const SharedTail* tail, uint32_t delivered)> visit)
    const {
  for (size_t i = front_; i < events_.size(); ++i) {
    const auto tail = tails_.find(first_ + (i - front_));
    visit(events_[i].record, tail == tails_.end() ? nullptr : &tail->second, events_[i].delivered);
  }
}

void ShardLog::Restore(const takeover::Shard& from) {
  first_ = from.first();
  ever_sent_through_ = from.ever_sent_through();
}

size_t ShardLog::RestoreEvent(std::string record, SharedTail tail, uint32_t delivered) {
  size_t bytes = 0;
  if (!record.empty()) {
    bytes = record.size() + kOverhead + (tail.size > 0 && tail.counts ? tail.size : 0);
    ++unsettled_;
  }
  events_.push_back({.record = std::move(record), .delivered = delivered});
  if (tail.size > 0) tails_.emplace(last_sequence(), std::move(tail));
  unsettled_bytes_ += bytes;
  return bytes;
}

void ShardLog::DropSettledFront() {
  while (front_ < events_.size() && events_[front_].record.empty()) {
    ++front_;
    ++first_;
  }
  sent_ = std::max(sent_, front_);
  if (front_ == events_.size()) {
    events_.clear();
    if (events_.capacity() > kKeptCapacity) events_.shrink_to_fit();
    front_ = sent_ = 0;
  } else if (front_ > kKeptCapacity && front_ > events_.size() / 2) {
    events_.erase(events_.begin(), events_.begin() + static_cast<ptrdiff_t>(front_));
    sent_ -= front_;
    front_ = 0;
  }
}

}  // namespace dormouse
