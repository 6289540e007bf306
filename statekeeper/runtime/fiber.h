// Fibers: what lets a hub's handler wait for the store in the middle of ordinary code while its lane's thread
// does other work. A fiber is a stack of its own; exactly one runs at a time, and it gives up the thread only
// where it calls Suspend.
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
  // Stacks are `stack_bytes` of address space each, with a guard page; only what a handler touches costs
  // memory.
  explicit FiberPool(size_t stack_bytes = 256u << 10);
  // Fibers that are suspended still are abandoned as they are: their stacks are not unwound.
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  // Runs `task` on a fiber; returns when it has ended or first suspends. `task` must not throw. Not from a
  // fiber.
  void Run(std::function<void()> task);

  // The fiber that is running; nullptr outside of all.
  Fiber* current() const { return current_; }

  // On a fiber: goes back to whoever called Run or Resume; returns when somebody calls Resume(this fiber).
  void Suspend();

  // Continues a suspended fiber; returns when it has ended or suspends again. Not from a fiber.
  void Resume(Fiber* fiber);

  // Fibers with a task, suspended ones included.
  size_t busy() const { return all_.size() - idle_.size(); }

 private:
  void SwitchTo(Fiber* fiber);

  const size_t stack_bytes_;
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> idle_;
  Fiber* current_ = nullptr;
};

}  // namespace dormouse
