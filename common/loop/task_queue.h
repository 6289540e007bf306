// What other threads have the thread of a loop do: carried out in order there.
//
// Bounded by those who post. Of the ownership's: a peer has one note under way at a time and few offers (an offerer
// waits for the answer), the lanes answer what they were asked, and a shard is lost once. Of a tunnel's: it has one read
// and one write under way. Of the port for backends: api-calls are under way at most.
//
// Threading: Post from any thread, also after Close (it does nothing then); Close on the loop's thread, once
// it runs, or after it has ended; whoever posts shares the queue.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "common/loop/loop_wake.h"

namespace dormouse {

class TaskQueue {
 public:
  using Task = std::function<void()>;

  explicit TaskQueue(struct ev_loop* loop) : wake_(loop, [this] { RunTasks(); }) {}
  TaskQueue(const TaskQueue&) = delete;
  TaskQueue& operator=(const TaskQueue&) = delete;

  void Post(Task task);
  // What waits is dropped. Must be called before the loop is destroyed.
  void Close();

 private:
  void RunTasks();

  LoopWake wake_;
  std::mutex mutex_;
  bool closed_ = false;
  std::vector<Task> tasks_;
};

}  // namespace dormouse
