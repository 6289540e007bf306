// One stream of the edge link, either end, as the loop that owns it sees it. Messages go both ways, in order.
// What arrives comes through a StreamInbox, by whichever way the stream goes:
//
//   FramedStream  a socket that the loop itself reads and writes: on one host a unix socket, between hosts TCP
//   GrpcStream    gRPC: the shard map (WatchShards); Link streams only towards a process of the version before
//
// A stream that the other end ends, or that breaks, ends with exactly one Arrival::kClosed.
//
// Threading: the loop's thread, unless a function says otherwise.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <utility>

namespace dormouse {

class LinkStream {
 public:
  LinkStream() = default;
  virtual ~LinkStream() = default;
  LinkStream(const LinkStream&) = delete;
  LinkStream& operator=(const LinkStream&) = delete;

  // Whether a write is in flight. When it is, an Arrival::kWritable follows: so ask only with something to
  // write.
  virtual bool Busy() = 0;
  // Sends one message. Not while Busy.
  virtual void Write(const grpc::ByteBuffer& message) = 0;
  // Ends the stream. The other end sees `why` where this is the server's end; a client can only break off.
  virtual void End(const grpc::Status& why) = 0;
  // Breaks it off, with what is on its way: End waits for a write that the other end does not take.
  virtual void Abort() = 0;

  // Whatever the loop's owner wants to find its way back from an arrival.
  void* context() const { return context_; }
  void set_context(void* context) { context_ = context; }

  // Why it ended; valid once Arrival::kClosed is there.
  const grpc::Status& status() const { return status_; }

 protected:
  void set_status(grpc::Status status) { status_ = std::move(status); }

 private:
  friend class StreamInbox;

  // The inbox has room again for a stream that it had told to wait.
  virtual void ReadNext() = 0;

  void* context_ = nullptr;
  grpc::Status status_;
};

}  // namespace dormouse
