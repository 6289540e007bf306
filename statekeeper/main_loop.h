// What the main thread does once all is started: it waits for signals, and carries out what other threads have it do.
//
// Bounded by who posts: there is one version of an app at a time that is to be used.
//
// Threading: Post on any thread, the rest on the main one. SIGTERM, SIGINT and SIGHUP are blocked in all threads.
#pragma once

#include <ev.h>

#include <functional>
#include <memory>
#include <utility>

#include "common/loop/task_queue.h"

namespace dormouse {

class MainLoop {
 public:
  MainLoop();
  ~MainLoop();
  MainLoop(const MainLoop&) = delete;
  MainLoop& operator=(const MainLoop&) = delete;

  void Post(std::function<void()> task) { tasks_.Post(std::move(task)); }
  // SIGHUP is answered with `reload`. Returns the signal that says that the process is to end; what is posted after
  // that is not carried out.
  int Run(const std::function<void()>& reload);

 private:
  const int signals_;
  const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop_;
  TaskQueue tasks_;
};

}  // namespace dormouse
