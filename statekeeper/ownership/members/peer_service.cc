#include "statekeeper/ownership/members/peer_service.h"

#include <utility>

#include "common/rpc/link_channel.h"

namespace dormouse {

PeerService::PeerService(MemberId self, Handlers handlers, std::shared_ptr<PeerCalls> calls)
    : self_(self), handlers_(std::move(handlers)), calls_(std::move(calls)) {}

void PeerService::Tell(const peer::Note& note) {
  const std::lock_guard lock(mutex_);
  if (!closed_) live_.Publish(note);
}

void PeerService::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  live_.Withdraw({grpc::StatusCode::UNAVAILABLE, kEnding});
}

void PeerService::Serve(CompletionThread* thread) {
  calls_->Begin(thread);
  live_.Accept(thread, RequestCallOf(&service_, &Service::RequestLive),
               [this](const grpc::ByteBuffer& request) { return AdmitLive(request); });
  AcceptUnary(thread, &service_, &Service::RequestOffer,
              [this](const grpc::ServerContext&, const peer::OfferRequest& request, const auto& call) {
                TakeOffer(request, call);
              });
}

grpc::Status PeerService::Admit(MemberId meant) const {
  if (meant != self_) return {grpc::StatusCode::FAILED_PRECONDITION, "another statekeeper listens here now"};
  const std::lock_guard lock(mutex_);
  if (closed_) return {grpc::StatusCode::UNAVAILABLE, kEnding};
  return grpc::Status::OK;
}

grpc::Status PeerService::AdmitLive(const grpc::ByteBuffer& message) const {
  peer::LiveRequest request;
  if (!FromBuffer(message, &request)) return {grpc::StatusCode::INVALID_ARGUMENT, "not a LiveRequest"};
  grpc::Status status = Admit(request.incarnation());
  if (status.ok()) handlers_.on_live(request.from());
  return status;
}

void PeerService::TakeOffer(const peer::OfferRequest& request,
                            const std::shared_ptr<UnaryCall<peer::OfferAnswer>>& call) const {
  const grpc::Status status = Admit(request.incarnation());
  if (!status.ok()) {
    call->Refuse(status);
    return;
  }
  // The last copy of the reply to go refuses, where nobody has answered: the call must end.
  struct Pending {
    std::shared_ptr<UnaryCall<peer::OfferAnswer>> call;
    ~Pending() {
      peer::OfferAnswer refusal;
      refusal.set_refused(true);
      call->Answer(refusal);
    }
  };
  auto pending = std::shared_ptr<Pending>(new Pending{call});
  handlers_.on_offer(request, [pending = std::move(pending)](const peer::OfferAnswer& claimed) {
    pending->call->Answer(claimed);
  });
}

}  // namespace dormouse
