#include "common/loop/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace dormouse {
namespace {

void LinkTo(TimerNode** head, TimerNode* node) {
  node->next = *head;
  if (node->next != nullptr) node->next->link = &node->next;
  node->link = head;
  *head = node;
}

}  // namespace

TimerWheel::TimerWheel(int64_t tick_ms, size_t slots, int64_t now_ms)
    : tick_ms_(tick_ms), current_tick_(now_ms / tick_ms), slots_(slots, nullptr) {
  assert(std::has_single_bit(slots));
}

void TimerWheel::Schedule(TimerNode* node, int64_t due_ms) {
  Cancel(node);
  node->due_ms = due_ms;
  Insert(node);
}

void TimerWheel::Insert(TimerNode* node) {
  const int64_t due_tick = (node->due_ms + tick_ms_ - 1) / tick_ms_;
  // What is further away than a revolution waits in the slot that comes last, and is put anew from there.
  const int64_t last = current_tick_ + static_cast<int64_t>(slots_.size()) - 1;
  LinkTo(&slots_[SlotOf(std::clamp(due_tick, current_tick_ + 1, last))], node);
}

void TimerWheel::Cancel(TimerNode* node) {
  if (!node->armed()) return;
  *node->link = node->next;
  if (node->next != nullptr) node->next->link = node->link;
  node->next = nullptr;
  node->link = nullptr;
}

void TimerWheel::Advance(int64_t now_ms, const std::function<void(TimerNode*)>& expire) {
  const int64_t now_tick = now_ms / tick_ms_;
  // After a long pause one revolution sees every node.
  current_tick_ = std::max(current_tick_, now_tick - static_cast<int64_t>(slots_.size()));
  while (current_tick_ < now_tick) {
    ++current_tick_;
    TimerNode** slot = &slots_[SlotOf(current_tick_)];
    if (*slot == nullptr) continue;
    TimerNode* due = *slot;  // a list of its own, as `expire` may schedule into this very slot
    *slot = nullptr;
    due->link = &due;
    while (due != nullptr) {
      TimerNode* node = due;
      Cancel(node);
      if (node->due_ms > now_ms) {
        Insert(node);
      } else {
        expire(node);
      }
    }
  }
}

std::optional<int64_t> TimerWheel::NextMs() const {
  for (size_t i = 1; i <= slots_.size(); ++i) {
    const int64_t tick = current_tick_ + static_cast<int64_t>(i);
    if (slots_[SlotOf(tick)] != nullptr) return tick * tick_ms_;
  }
  return std::nullopt;
}

}  // namespace dormouse
