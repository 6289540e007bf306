#include "common/rpc/grpc_stream.h"

#include "common/rpc/stream_inbox.h"

namespace dormouse {

bool GrpcStream::Busy() {
  WriteState state = write_state_.load(std::memory_order_acquire);
  if (state == WriteState::kWriting &&
      write_state_.compare_exchange_strong(state, WriteState::kAwaited, std::memory_order_acq_rel)) {
    return true;
  }
  return state != WriteState::kFree;
}

void GrpcStream::Write(const grpc::ByteBuffer& message) {
  write_state_.store(WriteState::kWriting, std::memory_order_release);
  StartWrite(message, write_.Start());
}

void GrpcStream::Begin(const grpc::ByteBuffer* first_message) {
  if (first_message == nullptr) {
    write_state_.store(WriteState::kFree, std::memory_order_release);
  } else {
    Write(*first_message);
  }
  ReadNext();
}

void GrpcStream::Closed(grpc::Status status) {
  set_status(std::move(status));
  if (inbox_ != nullptr) inbox_->Put({Arrival::kClosed, shared_from_this()});
}

void GrpcStream::FinishAfterWrite() {
  const WriteState before = write_state_.exchange(WriteState::kEnding, std::memory_order_acq_rel);
  if (before == WriteState::kFree) OnFinish();
}

void GrpcStream::ReadDone(bool ok) {
  if (!ok) {
    OnReadEnd();
    return;
  }
  Arrival arrival(Arrival::kMessage, shared_from_this());
  if (inbox_ == nullptr) {
    OnFirstMessage(message_);
    if (inbox_ == nullptr) return;
    arrival.kind = Arrival::kOpened;
  }
  arrival.message.Swap(&message_);
  if (inbox_->Put(std::move(arrival))) ReadNext();
}

void GrpcStream::WriteDone(bool ok) {
  if (!ok) return;  // broken: nobody writes again, and the end comes by way of the read
  WriteState state = write_state_.load(std::memory_order_acquire);
  while (state != WriteState::kEnding &&
         !write_state_.compare_exchange_weak(state, WriteState::kFree, std::memory_order_acq_rel)) {
  }
  if (state == WriteState::kEnding) OnFinish();
  if (state == WriteState::kAwaited) inbox_->Put({Arrival::kWritable, shared_from_this()});
}

}  // namespace dormouse
