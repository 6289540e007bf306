// Deadlines of very many things at a constant cost each: a hashed wheel with intrusive lists.
//
// Scheduling, cancelling and expiring are O(1); nothing is done for a node before its deadline (but once a
// revolution where the deadline is more than a revolution away). A node fires at its deadline or up to a tick
// later, never before it.
//
// Lazy use, which is what makes idle connections free: leave the node where it is while its owner is active,
// and let its owner look again when it fires.
//
// Pure logic, no clock of its own: the owner passes SteadyMs(). One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace dormouse {

// To be embedded in what has the deadline; must stay where it is while armed.
struct TimerNode {
  TimerNode* next = nullptr;
  TimerNode** link = nullptr;  // what points here; nullptr: not armed
  int64_t due_ms = 0;

  bool armed() const { return link != nullptr; }
};

class TimerWheel {
 public:
  // `slots` is a power of two; `tick_ms` x `slots` should be longer than most deadlines.
  TimerWheel(int64_t tick_ms, size_t slots, int64_t now_ms);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Moves the node where it is armed already. A deadline in the past fires at the next tick.
  void Schedule(TimerNode* node, int64_t due_ms);
  static void Cancel(TimerNode* node);

  // Calls `expire` for each node that is due, disarmed already; `expire` may schedule and cancel any node.
  void Advance(int64_t now_ms, const std::function<void(TimerNode*)>& expire);

  // When Advance will have something to look at; nullopt: nothing is armed. May be early, never late.
  std::optional<int64_t> NextMs() const;

 private:
  size_t SlotOf(int64_t tick) const { return static_cast<size_t>(tick) & (slots_.size() - 1); }
  void Insert(TimerNode* node);

  const int64_t tick_ms_;
  int64_t current_tick_;  // all ticks up to this one have been looked at
  std::vector<TimerNode*> slots_;
};

}  // namespace dormouse
