// Fibers: what lets a hub's handler wait for the store in the middle of ordinary code while its lane's thread
// does other work. A fiber is a stack of its own; exactly one runs at a time, and it gives up the thread only
// where it calls Suspend.
//
// A suspended fiber is a stack, which is two memory maps, and the system gives a process only so many
// (vm.max_map_count). So their number is bounded: who wants to suspend asks MaySuspend first, and what finds
// no room waits where it costs no stack.
//
// Threading: a pool and its fibers belong to one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace dormouse {

class Fiber;

class FiberPool {
 public:
  // Of which at most `most_suspended` are suspended at once, as far as MaySuspend is asked. Stacks are
  // `stack_bytes` of address space each, with a guard page; only what a handler touches costs memory.
  explicit FiberPool(size_t most_suspended = 250, size_t stack_bytes = 256u << 10);
  // Fibers that are suspended still are abandoned as they are: their stacks are not unwound.
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  // Whether a fiber is free. False: the system gives no memory for one more.
  bool MayRun() { return !idle_.empty() || Add(); }

  // Runs `task` on a fiber; returns when it has ended or first suspends. `task` must not throw. Throws
  // std::bad_alloc where MayRun says no. Not from a fiber.
  void Run(std::function<void()> task);

  // The fiber that is running; nullptr outside of all.
  Fiber* current() const { return current_; }

  // Whether the running fiber, or one that is started now, may suspend: fewer than the bound are, and a fiber
  // is left for what need not suspend. It stays so until that fiber suspends or ends. A lone fiber may
  // always.
  bool MaySuspend() {
    const size_t suspended = busy() - beyond_ - (current_ != nullptr ? 1 : 0);
    if (suspended >= most_suspended_) return false;
    return suspended == 0 || KeepIdle(current_ != nullptr ? 1 : 2);
  }

  // On a fiber: goes back to whoever called Run or Resume; returns when somebody calls Resume(this fiber).
  void Suspend();

  // The same for a fiber that somebody resumes in a moment, to let others run. A few may do so beyond the
  // bound; false: not now.
  bool Pause();

  // Continues a suspended fiber; returns when it has ended or suspends again. Not from a fiber.
  void Resume(Fiber* fiber);

  // Fibers with a task, suspended ones included.
  size_t busy() const { return all_.size() - idle_.size(); }

 private:
  // One more idle fiber, if there is memory for it.
  bool Add();
  // Whether so many are idle, with those that can be added.
  bool KeepIdle(size_t count) {
    while (idle_.size() < count) {
      if (!Add()) return false;
    }
    return true;
  }
  void SwitchTo(Fiber* fiber);

  const size_t most_suspended_;
  const size_t stack_bytes_;
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> idle_;
  Fiber* current_ = nullptr;
  size_t beyond_ = 0;  // paused beyond the bound
};

}  // namespace dormouse
