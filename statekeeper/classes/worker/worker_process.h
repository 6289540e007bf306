// The process that runs an app's code: started, watched, started again when it ends, after pauses that grow while it
// does not live for long.
//
// It is this process' child and dies with it. Its output goes where this process' errors go.
//
// Threading: a thread of its own; everything here may be called on any other.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "statekeeper/classes/worker/worker_output.h"

namespace dormouse {

class WorkerProcess {
 public:
  struct Config {
    std::string name;  // for the log
    std::string directory;
    std::vector<std::string> command;
    std::map<std::string, std::string> environment;  // beside this process' own
    uint64_t max_memory = 0;                         // bytes of RSS, beyond which it is ended; 0: any number
    bool keeps_output = false;                       // LastWords of the first process are wanted
  };

  explicit WorkerProcess(Config config);
  // Ends the process, at once.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  void Start();
  // Ends the process of that number (`ends` while it runs), for this reason; another one follows. Nothing, once it is
  // ended.
  void Kill(uint32_t number, const std::string& why);
  // Ends it, gently at first; none follows. Does not wait.
  void Stop();
  bool is_stopping();
  // Processes that are started from now on do not get this variable.
  void Unset(const std::string& variable);
  // Whether the first process has ended already, so that no good is to be expected of it.
  bool has_failed() const { return ends_ != 0; }
  uint32_t ends() const { return ends_; }
  // How the first process has ended, and the end of what it has said.
  std::string LastWords();

 private:
  void Run();
  pid_t Spawn();
  // Until it has ended. Its wait status.
  int Watch(pid_t pid);
  // Sleeps; false: it is to stop.
  bool Pause(int64_t ms);

  Config config_;  // its environment: by mutex_
  std::mutex mutex_;
  std::condition_variable changed_;
  pid_t pid_ = 0;        // 0: none runs
  bool killed_ = false;  // the one that runs
  bool stopping_ = false;
  bool destroyed_ = false;
  std::atomic<uint32_t> ends_{0};
  std::string first_end_;  // how that was; by mutex_
  const std::unique_ptr<WorkerOutput> output_;
  std::thread thread_;
};

}  // namespace dormouse
