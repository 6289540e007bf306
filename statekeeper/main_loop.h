// What the main thread does once all is started: it waits for signals, and carries out what other threads have it do.
//
// Bounded by who posts: there is one version of an app at a time that is to be used.
//
// Threading: Post on any thread, the rest on the main one. SIGTERM, SIGINT and SIGHUP are blocked in all threads.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

namespace dormouse {

class MainLoop {
 public:
  MainLoop();
  ~MainLoop();
  MainLoop(const MainLoop&) = delete;
  MainLoop& operator=(const MainLoop&) = delete;

  void Post(std::function<void()> task);
  // SIGHUP is answered with `reload`. Returns the signal that says that the process is to end; what is posted after
  // that is not carried out.
  int Run(const std::function<void()>& reload);

 private:
  void RunTasks();

  const int signals_;
  const int wake_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
};

}  // namespace dormouse
