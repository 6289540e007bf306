#include "statekeeper/ownership/peer_service.h"

#include <memory>
#include <utility>

namespace dormouse {

// Its state is under the service's mutex.
class PeerService::LiveStream final : public grpc::ServerWriteReactor<peer::Note> {
 public:
  // `status` is not OK: the stream ends with it.
  LiveStream(PeerService* service, const grpc::Status& status) : service_(service) {
    const std::lock_guard lock(service_->mutex_);
    service_->streams_.insert(this);
    if (status.ok()) {
      Advance();
    } else {
      End(status);
    }
  }

  // With the mutex held, as the next one.
  void Advance() {
    if (ended_ || writing_ || written_version_ == service_->note_version_) return;
    writing_ = true;
    written_version_ = service_->note_version_;
    outgoing_ = service_->note_;
    StartWrite(&outgoing_);
  }

  void End(const grpc::Status& status) {
    if (!std::exchange(ended_, true)) Finish(status);
  }

 private:
  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(service_->mutex_);
    writing_ = false;
    if (ok) {
      Advance();
    } else {
      End(grpc::Status::CANCELLED);
    }
  }

  void OnCancel() override {
    const std::lock_guard lock(service_->mutex_);
    End(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    {
      const std::lock_guard lock(service_->mutex_);
      service_->streams_.erase(this);
    }
    delete this;
  }

  PeerService* const service_;
  bool ended_ = false;
  bool writing_ = false;
  uint64_t written_version_ = 0;
  peer::Note outgoing_;
};

PeerService::PeerService(MemberId self, Handlers handlers) : self_(self), handlers_(std::move(handlers)) {}

PeerService::~PeerService() = default;

void PeerService::Tell(const peer::Note& note) {
  const std::lock_guard lock(mutex_);
  note_ = note;
  ++note_version_;
  for (LiveStream* stream : streams_) stream->Advance();
}

void PeerService::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (LiveStream* stream : streams_) stream->End({grpc::StatusCode::UNAVAILABLE, "this statekeeper ends"});
}

grpc::Status PeerService::Admit(MemberId meant) const {
  if (meant != self_) return {grpc::StatusCode::FAILED_PRECONDITION, "another statekeeper listens here now"};
  const std::lock_guard lock(mutex_);
  if (closed_) return {grpc::StatusCode::UNAVAILABLE, "this statekeeper ends"};
  return grpc::Status::OK;
}

grpc::ServerWriteReactor<peer::Note>* PeerService::Live(grpc::CallbackServerContext*,
                                                        const peer::LiveRequest* request) {
  const grpc::Status status = Admit(request->incarnation());
  if (status.ok()) handlers_.on_live(request->from());
  return new LiveStream(this, status);
}

grpc::ServerUnaryReactor* PeerService::Offer(grpc::CallbackServerContext* context,
                                             const peer::OfferRequest* request, peer::OfferAnswer* answer) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const grpc::Status status = Admit(request->incarnation());
  if (!status.ok()) {
    reactor->Finish(status);
    return reactor;
  }
  // The last copy of the reply to go refuses, where nobody has answered: the call must end.
  struct Pending {
    grpc::ServerUnaryReactor* reactor;
    peer::OfferAnswer* answer;
    ~Pending() {
      if (reactor == nullptr) return;
      answer->set_refused(true);
      reactor->Finish(grpc::Status::OK);
    }
  };
  auto pending = std::shared_ptr<Pending>(new Pending{reactor, answer});
  handlers_.on_offer(*request, [pending = std::move(pending)](peer::OfferAnswer claimed) {
    *pending->answer = std::move(claimed);
    std::exchange(pending->reactor, nullptr)->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace dormouse
