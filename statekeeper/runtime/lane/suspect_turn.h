// Lets the suspects (poison_guard.h) of all lanes of a process begin one at a time: when the process ends, it
// is known which one was under way.
//
// Threading: any.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace dormouse {

class SuspectTurn {
 public:
  // True: the turn is the caller's. Else `given` runs, on any thread, when it is; `who` asks once at a time.
  bool Ask(const void* who, std::function<void()> given);
  // The one who has the turn is done.
  void GiveBack();
  // `who` is gone: it does not ask any more, and has no turn.
  void Leave(const void* who);

 private:
  void Next();

  std::mutex mutex_;
  const void* has_it_ = nullptr;
  std::deque<std::pair<const void*, std::function<void()>>> asking_;
};

}  // namespace dormouse
