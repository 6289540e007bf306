// What a worker says, passed on line by line to where this process' errors go; the end of it is kept, for whoever has to
// say why the worker did not come up.
//
// Threading: a thread of its own; everything here may be called on any other.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace dormouse {

class WorkerOutput {
 public:
  static constexpr size_t kKept = 2'000;  // bytes

  // `into`: a descriptor, this process' errors.
  explicit WorkerOutput(int into = 2);
  // What was written before is passed on, what is written later is lost.
  ~WorkerOutput();
  WorkerOutput(const WorkerOutput&) = delete;
  WorkerOutput& operator=(const WorkerOutput&) = delete;

  // The worker's outputs; -1: there was no descriptor left. Closed here once the worker has them.
  int write_end() const { return write_end_; }
  void CloseWriteEnd();
  // The last lines, without the last one's end. Waits for a moment until nothing more can come.
  std::string End();

 private:
  void Run();
  void Take(std::string_view bytes);
  void PassOn(size_t size);

  const int into_;
  int read_end_ = -1;
  int write_end_ = -1;
  int stop_ = -1;        // eventfd
  std::string waiting_;  // the thread's: a line that has begun
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string kept_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace dormouse
