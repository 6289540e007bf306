#include "statekeeper/runtime/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <cassert>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace dormouse {
namespace {

// Stacks kept for the next handler that suspends; more are given back.
constexpr size_t kIdleStacks = 64;
constexpr size_t kPausedBeyond = 64;

// A stack with a guard page below it. (Boost's own leaves the guard page out, silently, where the system
// refuses one more memory map.)
class GuardedStack {
 public:
  explicit GuardedStack(size_t bytes) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    size_ = (bytes + page_ - 1) / page_ * page_ + page_;
  }
  // Throws std::bad_alloc.
  boost::context::stack_context allocate() const {
    void* const low = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (low == MAP_FAILED) throw std::bad_alloc();
    if (mprotect(static_cast<char*>(low) + page_, size_ - page_, PROT_READ | PROT_WRITE) != 0) {
      munmap(low, size_);
      throw std::bad_alloc();
    }
    boost::context::stack_context stack;
    stack.size = size_;
    stack.sp = static_cast<char*>(low) + size_;
    return stack;
  }
  void deallocate(boost::context::stack_context& stack) const {
    munmap(static_cast<char*>(stack.sp) - stack.size, stack.size);
  }

 private:
  size_t page_;
  size_t size_;
};

}  // namespace

class Fiber {
 public:
  explicit Fiber(size_t stack_bytes) {
    const GuardedStack allocator(stack_bytes);
    const boost::context::stack_context stack = allocator.allocate();
#if defined(__SANITIZE_ADDRESS__)
    note_.size = stack.size;
    note_.bottom = static_cast<char*>(stack.sp) - stack.size;
#elif defined(__SANITIZE_THREAD__)
    note_.tsan = __tsan_create_fiber(0);
#endif
    context_ =
        boost::context::fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
                              allocator, [this](boost::context::fiber&& caller) {
                                note_.Arrive(&caller_note_);
                                caller_ = std::move(caller);
                                while (!retired_) {
                                  task_();
                                  task_ = nullptr;
                                  ended_ = true;
                                  ToCaller();
                                }
                                note_.Leave(caller_note_);
                                return std::move(caller_);
                              });
  }

  ~Fiber() {
#if defined(__SANITIZE_THREAD__)
    // Its frames would be left on the caller's shadow stack.
    const bool can_return = false;
#else
    const bool can_return = ended_;
#endif
    if (!can_return) {
      // Destroying the context would unwind its stack.
      static auto* const abandoned = new std::vector<boost::context::fiber>;
      static std::mutex mutex;  // pools of all threads
      const std::scoped_lock lock(mutex);
      abandoned->push_back(std::move(context_));
    } else {
      retired_ = true;
      ToFiber();
    }
  }

  void ToFiber() {
#if defined(__SANITIZE_THREAD__)
    caller_note_.tsan = __tsan_get_current_fiber();
#endif
    caller_note_.Leave(note_);
    context_ = std::move(context_).resume();
    caller_note_.Arrive(nullptr);
  }

  void ToCaller() {
    note_.Leave(caller_note_);
    caller_ = std::move(caller_).resume();
    note_.Arrive(&caller_note_);
  }

  void set_task(std::function<void()> task) {
    task_ = std::move(task);
    ended_ = false;
  }
  bool ended() const { return ended_; }

 private:
  // Tells the sanitizers which stack runs. Each switch is Leave on the old stack, then Arrive on the new one.
  struct StackNote {
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
    const void* bottom = nullptr;
    size_t size = 0;
    void Leave(const StackNote& next) { __sanitizer_start_switch_fiber(&fake_stack, next.bottom, next.size); }
    void Arrive(StackNote* previous) {
      __sanitizer_finish_switch_fiber(fake_stack, previous == nullptr ? nullptr : &previous->bottom,
                                      previous == nullptr ? nullptr : &previous->size);
    }
#elif defined(__SANITIZE_THREAD__)
    void* tsan = nullptr;
    void Leave(const StackNote& next) { __tsan_switch_to_fiber(next.tsan, 0); }
    void Arrive(StackNote*) {}
#else
    void Leave(const StackNote&) {}
    void Arrive(StackNote*) {}
#endif
  };

  std::function<void()> task_;
  bool ended_ = true;
  bool retired_ = false;
  StackNote note_;
  StackNote caller_note_;
  boost::context::fiber context_;
  boost::context::fiber caller_;
};

FiberPool::FiberPool(size_t most_suspended, size_t stack_bytes)
    : most_suspended_(most_suspended), stack_bytes_(stack_bytes) {}

FiberPool::~FiberPool() { assert(current_ == nullptr); }

bool FiberPool::Add() {
  try {
    all_.push_back(std::make_unique<Fiber>(stack_bytes_));
    idle_.push_back(all_.back().get());
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

void FiberPool::Run(std::function<void()> task) {
  assert(current_ == nullptr);
  if (!MayRun()) throw std::bad_alloc();
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  fiber->set_task(std::move(task));
  SwitchTo(fiber);
}

void FiberPool::Suspend() {
  assert(current_ != nullptr);
  current_->ToCaller();
}

bool FiberPool::Pause() {
  const bool beyond = !MaySuspend();
  if (beyond && (beyond_ == kPausedBeyond || !KeepIdle(1))) return false;
  if (beyond) ++beyond_;
  Suspend();
  if (beyond) --beyond_;
  return true;
}

void FiberPool::Resume(Fiber* fiber) {
  assert(current_ == nullptr);
  SwitchTo(fiber);
}

void FiberPool::SwitchTo(Fiber* fiber) {
  current_ = fiber;
  fiber->ToFiber();
  current_ = nullptr;
  if (!fiber->ended()) return;
  if (idle_.size() < kIdleStacks) {
    idle_.push_back(fiber);
  } else {
    std::erase_if(all_, [fiber](const std::unique_ptr<Fiber>& each) { return each.get() == fiber; });
  }
}

}  // namespace dormouse
