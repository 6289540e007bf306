// Has a loop's thread do one thing, when other threads say so. However often they do before it comes to that, it is done
// once: what there is to be done stands elsewhere. What other threads have done one by one is for a TaskQueue.
//
// Threading: Send on any thread, while the loop is there; the rest on the loop's, or while that is at rest.
#pragma once

#include <ev.h>

#include <functional>
#include <utility>

namespace dormouse {

class LoopWake {
 public:
  LoopWake(struct ev_loop* loop, std::function<void()> run) : loop_(loop), run_(std::move(run)) {
    ev_async_init(&watcher_, [](struct ev_loop*, ev_async* watcher, int) {
      static_cast<LoopWake*>(watcher->data)->run_();
    });
    watcher_.data = this;
    ev_async_start(loop_, &watcher_);
  }
  ~LoopWake() { Stop(); }
  LoopWake(const LoopWake&) = delete;
  LoopWake& operator=(const LoopWake&) = delete;

  void Send() { ev_async_send(loop_, &watcher_); }
  // It is done no more. Must be called, or this be destroyed, before the loop is.
  void Stop() {
    if (is_active()) ev_async_stop(loop_, &watcher_);
  }
  bool is_active() const { return ev_is_active(&watcher_); }

 private:
  struct ev_loop* const loop_;
  const std::function<void()> run_;
  ev_async watcher_;
};

}  // namespace dormouse
