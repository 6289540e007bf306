#include "common/loop/task_queue.h"

#include <utility>

namespace dormouse {

void TaskQueue::Post(Task task) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) wake_.Send();
}

void TaskQueue::Close() {
  std::vector<Task> dropped;  // destroyed without the lock: a task may own much
  const std::lock_guard lock(mutex_);
  if (std::exchange(closed_, true)) return;
  wake_.Stop();
  dropped.swap(tasks_);
}

void TaskQueue::RunTasks() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) std::exchange(task, nullptr)();
}

}  // namespace dormouse
