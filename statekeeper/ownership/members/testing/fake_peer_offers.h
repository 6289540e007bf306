// Members that note what they are offered, and answer when a test says so. One thread.
#pragma once

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "statekeeper/ownership/members/peer_offers.h"

namespace dormouse {

class FakePeerOffers final : public PeerOffers {
 public:
  struct Made {
    MemberId to = 0;
    peer::OfferRequest request;
    Offered done;
  };

  bool IsReachable(MemberId id) const override { return !unreachable.contains(id); }
  void Offer(MemberId to, peer::OfferRequest request, Duration, Offered done) override {
    made.push_back({to, std::move(request), std::move(done)});
  }

  // The oldest offer, which is there.
  Made Take() {
    Made oldest = std::move(made.at(0));
    made.erase(made.begin());
    return oldest;
  }
  // It is answered: all is claimed, in the next epoch.
  void Claim() {
    const Made offer = Take();
    auto answer = std::make_unique<peer::OfferAnswer>();
    for (const peer::OfferRequest::Shard& shard : offer.request.shards()) {
      peer::OfferAnswer::Shard* claimed = answer->add_claimed();
      claimed->set_shard(shard.shard());
      claimed->set_epoch(shard.epoch() + 1);
    }
    offer.done(std::move(answer));
  }
  void Refuse() {
    auto answer = std::make_unique<peer::OfferAnswer>();
    answer->set_refused(true);
    Take().done(std::move(answer));
  }
  // What became of it is not known.
  void Lose() { Take().done(nullptr); }

  std::set<MemberId> unreachable;
  std::vector<Made> made;  // and not answered
};

}  // namespace dormouse
