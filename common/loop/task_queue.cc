#include "common/loop/task_queue.h"

#include <utility>

namespace dormouse {

TaskQueue::TaskQueue(struct ev_loop* loop) : loop_(loop) {
  ev_async_init(&wake_, OnWake);
  wake_.data = this;
  ev_async_start(loop_, &wake_);
}

void TaskQueue::Post(Task task) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) ev_async_send(loop_, &wake_);
}

void TaskQueue::Close() {
  std::vector<Task> dropped;  // destroyed without the lock: a task may own much
  const std::lock_guard lock(mutex_);
  if (std::exchange(closed_, true)) return;
  ev_async_stop(loop_, &wake_);
  dropped.swap(tasks_);
}

void TaskQueue::OnWake(struct ev_loop*, ev_async* watcher, int) {
  auto* queue = static_cast<TaskQueue*>(watcher->data);
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(queue->mutex_);
    tasks.swap(queue->tasks_);
  }
  for (Task& task : tasks) std::exchange(task, nullptr)();
}

}  // namespace dormouse
