// A fact that threads wait for. Every change of what conditions look at goes through Change.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace dormouse {

class Facts {
 public:
  void Change(const std::function<void()>& change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  // False after half a minute.
  bool Await(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), condition);
  }
  template <typename T>
  T Get(const std::function<T()>& get) {
    const std::lock_guard lock(mutex_);
    return get();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace dormouse
