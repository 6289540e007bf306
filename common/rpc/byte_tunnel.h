// A socket of this host whose other end is on another one, by way of a gRPC stream: what is read here is written there.
// Either end; what is its own is in its subclass.
//
//   socket <──read, write──> the tunnels' thread <──posts── completion thread <──stream──> the other host
//
// Each way holds what one read brought, 64 KiB, and is read again when gRPC or the socket has taken that; on its way are
// no more than a stream's window, some MiB. So who is slow slows down whoever sends to him. Half-closed connections there
// are none: the end of one way is the end of both, once what came before it has been passed on.
//
// Threading: a ByteTunnels has a thread of its own with a loop, and all its tunnels live there. gRPC's operations keep
// them alive.
#pragma once

#include <ev.h>
#include <grpcpp/completion_queue.h>

#include <cstddef>
#include <memory>
#include <thread>
#include <unordered_set>
#include <utility>

#include "common/loop/task_queue.h"
#include "common/rpc/completion_thread.h"
#include "proto/app.pb.h"

namespace dormouse {

class ByteTunnel;

// All tunnels of a process.
class ByteTunnels {
 public:
  ByteTunnels();
  // Cancels what is under way, without waiting for gRPC.
  ~ByteTunnels();
  ByteTunnels(const ByteTunnels&) = delete;
  ByteTunnels& operator=(const ByteTunnels&) = delete;

  struct ev_loop* loop() const {
    return loop_;
  }
  // Any thread; nothing happens once it is being destroyed.
  void Post(TaskQueue::Task task) { queue_->Post(std::move(task)); }
  std::shared_ptr<TaskQueue> queue() const { return queue_; }
  // Cancels all, and takes no more; any thread.
  void EndAll();

  // The tunnels' thread. False: it takes no more.
  bool Add(std::shared_ptr<ByteTunnel> tunnel);
  void Remove(const std::shared_ptr<ByteTunnel>& tunnel) { tunnels_.erase(tunnel); }

 private:
  struct ev_loop* const loop_;
  const std::shared_ptr<TaskQueue> queue_;
  bool is_ending_ = false;
  std::unordered_set<std::shared_ptr<ByteTunnel>> tunnels_;
  std::thread thread_;
};

class ByteTunnel : public std::enable_shared_from_this<ByteTunnel> {
 public:
  virtual ~ByteTunnel();
  ByteTunnel(const ByteTunnel&) = delete;
  ByteTunnel& operator=(const ByteTunnel&) = delete;

  // The tunnels' thread. Ends it, whatever is on its way.
  void Close();

 protected:
  // `tunnels` and `thread` outlive it, but `tunnels` only while it is one of them.
  ByteTunnel(CompletionThread* thread, ByteTunnels* tunnels);

  grpc::CompletionQueue* cq() { return user_.queue(); }
  ByteTunnels* tunnels() const { return tunnels_; }
  // On the tunnels' thread, from an operation's end on the completion thread.
  template <typename Task>
  void PostSelf(Task task) {
    queue_->Post([self = shared_from_this(), task] { task(); });
  }
  // The tunnels' thread: the stream is open. Takes the socket, which does not block.
  void Begin(int fd);
  bool is_closed() const { return is_closed_; }

  // gRPC's calls of either side.
  virtual void StartRead(app::Bytes* into, void* tag) = 0;
  virtual void StartWrite(const app::Bytes& bytes, void* tag) = 0;
  virtual void Cancel() = 0;
  // The socket's other end has closed it, and all that it said has been passed on. False: nothing else follows.
  virtual bool FinishInOrder() { return false; }

 private:
  void OnSocket(int events);
  void ReadSocket();
  bool WriteSocket();  // false: it is over
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void EndOfSocket();
  void Watch();

  void ReadDone(bool ok);
  void WriteDone(bool ok);

  CompletionThread::User user_;
  ByteTunnels* const tunnels_;
  const std::shared_ptr<TaskQueue> queue_;
  Operation<ByteTunnel> read_{this, &ByteTunnel::ReadDone};
  Operation<ByteTunnel> write_{this, &ByteTunnel::WriteDone};

  // The tunnels' thread.
  int fd_ = -1;
  ev_io io_;
  app::Bytes in_;  // for the socket
  size_t in_written_ = 0;
  bool is_reading_ = false;
  app::Bytes out_;
  bool is_writing_ = false;
  bool socket_ended_ = false;
  bool is_closed_ = false;
};

}  // namespace dormouse
