// The service that this member offers to the others (proto/peer.proto), on the server of the edge link.
//
// Threading: Tell and Close from any thread; handlers are called on the completion thread. Outlives its
// server.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "common/rpc/unary_call.h"
#include "common/rpc/watchers.h"
#include "proto/peer.grpc.pb.h"
#include "statekeeper/link/link_service.h"
#include "statekeeper/ownership/members/member.h"
#include "statekeeper/ownership/members/peer_calls.h"

namespace dormouse {

// What a member says, whose streams end because it does.
inline constexpr char kEnding[] = "this statekeeper ends";

class PeerService final : public LinkService {
 public:
  // Call it once, from any thread; destroyed without a call it refuses the offer.
  using Reply = std::function<void(peer::OfferAnswer)>;
  struct Handlers {
    std::function<void(MemberId from)> on_live;  // a member has opened a stream
    std::function<void(peer::OfferRequest, Reply)> on_offer;
  };

  // `calls`: to the others; can be made as long as the server is there.
  PeerService(MemberId self, Handlers handlers, std::shared_ptr<PeerCalls> calls);

  // To every stream, now and at its start. A slow one skips notes.
  void Tell(const peer::Note& note);
  // Ends all streams and refuses new calls.
  void Close();

  // LinkService
  grpc::Service* service() override { return &service_; }
  void Serve(CompletionThread* thread) override;
  void Stop() override { calls_->End(); }

 private:
  using Service = peer::Peer::WithAsyncMethod_Offer<peer::Peer::WithRawMethod_Live<peer::Peer::Service>>;

  grpc::Status AdmitLive(const grpc::ByteBuffer& message) const;
  void TakeOffer(const peer::OfferRequest& request,
                 const std::shared_ptr<UnaryCall<peer::OfferAnswer>>& call) const;
  // Whether a call meant for this incarnation can be taken.
  grpc::Status Admit(MemberId meant) const;

  const MemberId self_;
  const Handlers handlers_;
  const std::shared_ptr<PeerCalls> calls_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  Watchers live_{grpc::Status::OK};
  Service service_;
};

}  // namespace dormouse
