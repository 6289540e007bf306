// A stream of the edge link that gRPC carries, either end: operations end on the completion thread, which
// puts what arrived into the inbox of the loop that owns the stream; the loop writes.
//
//   completion thread --Arrival--> StreamInbox --> the loop --Write--> gRPC
//
// Operations in flight keep the object alive; the loop may let go of it at any time after End.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <memory>
#include <utility>

#include "common/rpc/completion_thread.h"
#include "common/rpc/link_stream.h"

namespace dormouse {

class StreamInbox;

class GrpcStream : public LinkStream, public std::enable_shared_from_this<GrpcStream> {
 public:
  bool Busy() override;
  void Write(const grpc::ByteBuffer& message) override;

 protected:
  explicit GrpcStream(CompletionThread* thread) : user_(thread) {}

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
  enum class WriteState { kOpening, kFree, kWriting, kAwaited, kEnding };

  void ReadNext() override { StartRead(&message_, read_.Start()); }
  void ReadDone(bool ok);
  void WriteDone(bool ok);

  CompletionThread::User user_;
  std::shared_ptr<StreamInbox> inbox_;
  grpc::ByteBuffer message_;
  // kAwaited: writing, and the loop wants to know when that is done. kEnding: no more writes.
  std::atomic<WriteState> write_state_{WriteState::kOpening};
  Operation<GrpcStream> read_{this, &GrpcStream::ReadDone};
  Operation<GrpcStream> write_{this, &GrpcStream::WriteDone};
};

}  // namespace dormouse
