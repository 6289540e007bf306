// What other threads have the thread of a loop do: carried out in order there.
//
// Bounded by those who post. Of the ownership's: a peer has one note under way at a time and few offers (an offerer
// waits for the answer), the lanes answer what they were asked, and a shard is lost once. Of a tunnel's: it has one read
// and one write under way. Of the port for backends: api-calls are under way at most.
//
// Threading: Post from any thread, also after Close (it does nothing then); Close on the loop's thread, once
// it runs, or after it has ended; whoever posts shares the queue.
#pragma once

#include <ev.h>

#include <functional>
#include <mutex>
#include <vector>

namespace dormouse {

class TaskQueue {
 public:
  using Task = std::function<void()>;

  explicit TaskQueue(struct ev_loop* loop);
  TaskQueue(const TaskQueue&) = delete;
  TaskQueue& operator=(const TaskQueue&) = delete;

  void Post(Task task);
  // What waits is dropped. Must be called before the loop is destroyed.
  void Close();

 private:
  static void OnWake(struct ev_loop* loop, ev_async* watcher, int events);

  struct ev_loop* const loop_;
  ev_async wake_;
  std::mutex mutex_;
  bool closed_ = false;
  std::vector<Task> tasks_;
};

}  // namespace dormouse
