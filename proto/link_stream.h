// One gRPC stream of the edge link, either end: operations end on the completion thread, which puts what
// arrived into the inbox of the loop that owns the stream; the loop writes.
//
//   completion thread --Arrival--> StreamInbox --> the loop --Write--> gRPC
//
// A stream ends with exactly one Arrival::kClosed (none if no loop ever owned it). Operations in flight keep
// the object alive; the loop may let go of it at any time after End.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <memory>
#include <utility>

#include "proto/completion_thread.h"

namespace dormouse {

class StreamInbox;

class LinkStream : public std::enable_shared_from_this<LinkStream> {
 public:
  virtual ~LinkStream() = default;
  LinkStream(const LinkStream&) = delete;
  LinkStream& operator=(const LinkStream&) = delete;

  // --- For the loop's thread.

  // Whether a write is in flight. When it is, an Arrival::kWritable follows: so ask only with something to
  // write.
  bool Busy();
  // Sends one message. Not while Busy (gRPC allows one write at a time and aborts at a second).
  void Write(const grpc::ByteBuffer& message);
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
  explicit LinkStream(CompletionThread* thread) : user_(thread) {}

  grpc::CompletionQueue* queue() { return user_.queue(); }
  void set_inbox(std::shared_ptr<StreamInbox> inbox) { inbox_ = std::move(inbox); }

  // Call once the stream is open, on the completion thread. Nothing may be written before; an end that has
  // something to say right then passes it here.
  void Begin(const grpc::ByteBuffer* first_message);
  // Call on the completion thread when nothing more will come.
  void Closed(grpc::Status status);
  // Runs End's finish at once, or when the write in flight is done.
  void FinishAfterWrite();

  // gRPC's calls of either side.
  virtual void StartRead(grpc::ByteBuffer* message, void* tag) = 0;
  virtual void StartWrite(const grpc::ByteBuffer& message, void* tag) = 0;
  // The other end hung up, or the stream broke.
  virtual void OnReadEnd() = 0;
  // The first message of a stream that no inbox owns yet: set one, or else see that the stream ends.
  virtual void OnFirstMessage(const grpc::ByteBuffer& /*message*/) {}
  // Every write is done, and FinishAfterWrite was called.
  virtual void OnFinish() {}

 private:
  friend class StreamInbox;

  enum class WriteState { kOpening, kFree, kWriting, kAwaited, kEnding };

  void ReadNext() { StartRead(&message_, read_.Start()); }
  void ReadDone(bool ok);
  void WriteDone(bool ok);

  CompletionThread::User user_;
  std::shared_ptr<StreamInbox> inbox_;
  void* context_ = nullptr;
  grpc::ByteBuffer message_;
  grpc::Status status_;
  // kAwaited: writing, and the loop wants to know when that is done. kEnding: no more writes.
  std::atomic<WriteState> write_state_{WriteState::kOpening};
  Operation<LinkStream> read_{this, &LinkStream::ReadDone};
  Operation<LinkStream> write_{this, &LinkStream::WriteDone};
};

}  // namespace dormouse
