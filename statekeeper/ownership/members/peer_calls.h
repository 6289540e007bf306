// The calls of this member to others, on the completion thread of the edge link's server (link_service.h says
// why), which may end before this member does.
//
// Threading: any thread; callbacks on the completion thread. Shared with the calls under way.
#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "common/rpc/completion_thread.h"
#include "common/rpc/link_channel.h"
#include "common/time.h"
#include "proto/peer.grpc.pb.h"

namespace dormouse {

class PeerCalls : public std::enable_shared_from_this<PeerCalls> {
 public:
  // Calls can be made from now on. `thread` stays until End.
  void Begin(CompletionThread* thread);
  // Cancels what is under way. Before Begin and after End a call comes to nothing, and nothing is called
  // back.
  void End();

  struct LiveCallbacks {
    std::function<void(const peer::Note&)> on_note;
    std::function<void(const grpc::Status&)> on_closed;  // the last
  };
  // The result is for TryCancel, as long as the stream is there.
  std::weak_ptr<grpc::ClientContext> OpenLive(const LinkChannel& channel, const peer::LiveRequest& request,
                                              LiveCallbacks callbacks);

  using Offered = std::function<void(const grpc::Status& status, peer::OfferAnswer answer)>;
  void Offer(const LinkChannel& channel, const peer::OfferRequest& request, Duration deadline, Offered done);

 private:
  class LiveCall;

  bool IsOn() const;
  // Before the context goes.
  void Remove(grpc::ClientContext* context);

  mutable std::mutex mutex_;
  CompletionThread* thread_ = nullptr;
  std::set<grpc::ClientContext*> under_way_;
};

}  // namespace dormouse
