// What other threads ask of a lane: a queue into its loop.
//
// Bounded: a thread that asks for more than kMost things before the lane takes them waits, or is refused; its
// choice. Requests are carried out in their order. Those that are left when the lane ends are destroyed.
//
// Threading: construct and destroy with the loop at rest; Close on the lane's thread; Post and TryPost on
// any, Post not on a lane's.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "common/loop/loop_wake.h"

namespace dormouse {

class LaneRequests {
 public:
  using Request = std::function<void()>;
  static constexpr size_t kMost = 4096;

  explicit LaneRequests(struct ev_loop* loop) : wake_(loop, [this] { Run(); }) {}
  LaneRequests(const LaneRequests&) = delete;
  LaneRequests& operator=(const LaneRequests&) = delete;

  // Waits while there is no room. False: the lane has ended.
  bool Post(Request request);
  // False: there is no room, or the lane has ended.
  bool TryPost(Request request);

  // No more requests; those that wait are given up.
  void Close();

 private:
  void Run();
  bool Add(Request request);

  LoopWake wake_;
  std::mutex mutex_;
  std::condition_variable taken_;
  std::vector<Request> waiting_;
  bool closed_ = false;
};

}  // namespace dormouse
