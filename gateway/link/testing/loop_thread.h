// A thread with a loop that runs what it is given, and something at the end of each turn.
#pragma once

#include <ev.h>

#include <functional>
#include <future>
#include <thread>
#include <utility>

#include "common/loop/task_queue.h"

namespace dormouse {

class LoopThread {
 public:
  LoopThread() : loop_(ev_loop_new(EVBACKEND_EPOLL)), tasks_(loop_) {
    ev_prepare_init(&turn_end_, [](struct ev_loop*, ev_prepare* watcher, int) {
      auto* self = static_cast<LoopThread*>(watcher->data);
      if (self->at_turn_end) self->at_turn_end();
    });
    turn_end_.data = this;
    ev_prepare_start(loop_, &turn_end_);
    thread_ = std::thread([this] { ev_run(loop_, 0); });
  }
  ~LoopThread() {
    Run([this] { ev_break(loop_, EVBREAK_ALL); });
    thread_.join();
    ev_prepare_stop(loop_, &turn_end_);
    tasks_.Close();
    ev_loop_destroy(loop_);
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  struct ev_loop* loop() {
    return loop_;
  }

  // Runs it on the loop's thread, later.
  void Post(std::function<void()> task) { tasks_.Post(std::move(task)); }
  // Runs it there and waits for it.
  void Run(const std::function<void()>& task) {
    std::promise<void> done;
    Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  template <typename T>
  T Get(const std::function<T()>& task) {
    T result{};
    Run([&] { result = task(); });
    return result;
  }

  std::function<void()> at_turn_end;  // set on the loop's thread

 private:
  struct ev_loop* const loop_;
  TaskQueue tasks_;
  ev_prepare turn_end_;
  std::thread thread_;
};

}  // namespace dormouse
