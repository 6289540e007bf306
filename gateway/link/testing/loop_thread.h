// A thread with a loop that runs what it is given, and something at the end of each turn.
#pragma once

#include <ev.h>

#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace dormouse {

class LoopThread {
 public:
  LoopThread() : loop_(ev_loop_new(EVBACKEND_EPOLL)) {
    ev_async_init(&wake_, [](struct ev_loop*, ev_async* watcher, int) {
      static_cast<LoopThread*>(watcher->data)->RunTasks();
    });
    wake_.data = this;
    ev_async_start(loop_, &wake_);
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
    ev_async_stop(loop_, &wake_);
    ev_loop_destroy(loop_);
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  struct ev_loop* loop() {
    return loop_;
  }

  // Runs it on the loop's thread, later.
  void Post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    ev_async_send(loop_, &wake_);
  }
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
  void RunTasks() {
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
  }

  struct ev_loop* const loop_;
  ev_async wake_;
  ev_prepare turn_end_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  std::thread thread_;
};

}  // namespace dormouse
