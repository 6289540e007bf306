// Other members, as those to whom shards can be offered (peers.h reaches them).
//
// Threading: the ownership's thread, callbacks too.
#pragma once

#include <functional>
#include <memory>

#include "common/time.h"
#include "proto/peer.pb.h"
#include "statekeeper/ownership/members/member.h"

namespace dormouse {

class PeerOffers {
 public:
  virtual ~PeerOffers() = default;

  // It has answered, and is heard.
  virtual bool IsReachable(MemberId id) const = 0;

  // `done`, later, gets nothing where it is not known what became of the offer.
  using Offered = std::function<void(std::unique_ptr<peer::OfferAnswer>)>;
  virtual void Offer(MemberId to, peer::OfferRequest request, Duration deadline, Offered done) = 0;
};

}  // namespace dormouse
