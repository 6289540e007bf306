// The service that this member offers to the others (proto/peer.proto), on the server of the edge link.
//
// Threading: Tell and Close from any thread; handlers are called on gRPC's threads. Outlives its server.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>

#include "proto/peer.grpc.pb.h"
#include "statekeeper/ownership/member.h"

namespace dormouse {

class PeerService final : public peer::Peer::CallbackService {
 public:
  // Call it once, from any thread; destroyed without a call it refuses the offer.
  using Reply = std::function<void(peer::OfferAnswer)>;
  struct Handlers {
    std::function<void(MemberId from)> on_live;  // a member has opened a stream
    std::function<void(peer::OfferRequest, Reply)> on_offer;
  };

  PeerService(MemberId self, Handlers handlers);
  ~PeerService() override;

  // To every stream, now and at its start. A slow one skips notes.
  void Tell(const peer::Note& note);
  // Ends all streams and refuses new calls.
  void Close();

 private:
  class LiveStream;

  grpc::ServerWriteReactor<peer::Note>* Live(grpc::CallbackServerContext* context,
                                             const peer::LiveRequest* request) override;
  grpc::ServerUnaryReactor* Offer(grpc::CallbackServerContext* context, const peer::OfferRequest* request,
                                  peer::OfferAnswer* answer) override;
  // Whether a call meant for this incarnation can be taken.
  grpc::Status Admit(MemberId meant) const;

  const MemberId self_;
  const Handlers handlers_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  peer::Note note_;
  uint64_t note_version_ = 0;
  std::set<LiveStream*> streams_;
};

}  // namespace dormouse
