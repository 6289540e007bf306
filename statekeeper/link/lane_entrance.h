// Streams that the port has let in (LinkPort), on their way to their lane's loop. Bounded: beyond that they are refused,
// and their gateways come again.
//
// Threading: Put from any thread, also after Close; the rest on the loop's thread, or before it runs. Whoever puts
// shares it.
#pragma once

#include <ev.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "common/loop/task_queue.h"
#include "common/rpc/framed_stream.h"
#include "common/rpc/stream_inbox.h"

namespace dormouse {

class LaneEntrance {
 public:
  static constexpr size_t kMaxWaiting = 256;

  // `admit`: of each.
  LaneEntrance(struct ev_loop* loop, std::shared_ptr<StreamInbox> inbox, FramedStream::Admit admit);

  // `received`: was read of it already. False: too many wait, and it was left.
  bool Put(std::unique_ptr<StreamBytes>* bytes, std::string received);
  // Those that wait are closed. Must be called before the loop is destroyed.
  void Close() { tasks_.Close(); }

 private:
  const std::shared_ptr<StreamInbox> inbox_;
  const FramedStream::Admit admit_;
  std::atomic<size_t> waiting_{0};
  TaskQueue tasks_;
};

}  // namespace dormouse
