#include "statekeeper/ownership/members/peer_calls.h"

#include <chrono>
#include <utility>

#include "common/rpc/unary_question.h"

namespace dormouse {

// One operation at a time, all of them ended on the completion thread.
class PeerCalls::LiveCall final : public std::enable_shared_from_this<LiveCall> {
 public:
  LiveCall(std::shared_ptr<PeerCalls> all, CompletionThread* thread, LiveCallbacks callbacks)
      : user_(thread), all_(std::move(all)), callbacks_(std::move(callbacks)) {}

  void Start(const LinkChannel& channel, const peer::LiveRequest& request) {
    channel.Authorize(&context_);
    const auto stub = peer::Peer::NewStub(channel.grpc());
    reader_ = stub->PrepareAsyncLive(&context_, request, user_.queue());
    reader_->StartCall(start_.Start());
  }

  grpc::ClientContext* context() { return &context_; }

 private:
  void Started(bool ok) {
    if (ok) {
      reader_->Read(&note_, read_.Start());
    } else {
      reader_->Finish(&status_, finish_.Start());
    }
  }
  void ReadDone(bool ok) {
    if (ok && all_->IsOn()) callbacks_.on_note(note_);
    Started(ok);
  }
  void Finished(bool) {
    all_->Remove(&context_);
    if (all_->IsOn()) callbacks_.on_closed(status_);
  }

  CompletionThread::User user_;
  const std::shared_ptr<PeerCalls> all_;
  const LiveCallbacks callbacks_;
  Operation<LiveCall> start_{this, &LiveCall::Started};
  Operation<LiveCall> read_{this, &LiveCall::ReadDone};
  Operation<LiveCall> finish_{this, &LiveCall::Finished};
  peer::Note note_;
  grpc::Status status_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReader<peer::Note>> reader_;
};

void PeerCalls::Begin(CompletionThread* thread) {
  const std::lock_guard lock(mutex_);
  thread_ = thread;
}

void PeerCalls::End() {
  const std::lock_guard lock(mutex_);
  thread_ = nullptr;
  for (grpc::ClientContext* context : under_way_) context->TryCancel();
}

std::weak_ptr<grpc::ClientContext> PeerCalls::OpenLive(const LinkChannel& channel,
                                                       const peer::LiveRequest& request,
                                                       LiveCallbacks callbacks) {
  const std::lock_guard lock(mutex_);
  if (thread_ == nullptr) return {};
  const auto call = std::make_shared<LiveCall>(shared_from_this(), thread_, std::move(callbacks));
  under_way_.insert(call->context());
  call->Start(channel, request);
  return std::shared_ptr<grpc::ClientContext>(call, call->context());
}

void PeerCalls::Offer(const LinkChannel& channel, const peer::OfferRequest& request, Duration deadline,
                      Offered done) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + deadline);
  channel.Authorize(context.get());
  const std::lock_guard lock(mutex_);
  if (thread_ == nullptr) return;
  grpc::ClientContext* const under_way = context.get();
  under_way_.insert(under_way);
  UnaryQuestion<peer::OfferAnswer>::Ask(
      thread_, std::move(context),
      [&](grpc::ClientContext* with, grpc::CompletionQueue* queue) {
        return peer::Peer::NewStub(channel.grpc())->AsyncOffer(with, request, queue);
      },
      [all = shared_from_this(), under_way, done = std::move(done)](const grpc::Status& status,
                                                                    peer::OfferAnswer* answer) {
        all->Remove(under_way);
        if (all->IsOn()) done(status, std::move(*answer));
      });
}

bool PeerCalls::IsOn() const {
  const std::lock_guard lock(mutex_);
  return thread_ != nullptr;
}

void PeerCalls::Remove(grpc::ClientContext* context) {
  const std::lock_guard lock(mutex_);
  under_way_.erase(context);
}

}  // namespace dormouse
