// The other members, as far as this one can reach them: keeps a Live stream to each, says who is unreachable,
// and takes offers to them.
//
// A stream that breaks is opened again at once. A member is unreachable when that is refused, when another
// incarnation answers, or when nothing is heard for kSilence in an open stream, kAnswer in a new one. It
// is tried on, and is reachable again when it answers.
//
// Threading: the ownership's thread, but what is under way posts into its queue. The destructor cancels that.
#pragma once

#include <grpcpp/client_context.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/loop/task_queue.h"
#include "common/rpc/link_channel.h"
#include "common/time.h"
#include "proto/peer.grpc.pb.h"
#include "statekeeper/ownership/members/member.h"
#include "statekeeper/ownership/members/peer_calls.h"
#include "statekeeper/ownership/members/peer_offers.h"

namespace dormouse {

class Peers final : public PeerOffers {
 public:
  static constexpr Duration kSilence{1500};
  static constexpr Duration kAnswer{300};
  static constexpr Duration kFirstAnswer{1000};  // of a member that never answered yet

  // Called on the ownership's thread, not within a call of this class other than Tick and SetMembers.
  struct Callbacks {
    std::function<void()> on_change;      // unreachable() has changed
    std::function<void()> on_look_again;  // a member says that there is something new in the store
  };

  // `credentials`: for members elsewhere; nullptr: none.
  Peers(MemberId self, std::shared_ptr<const LinkCredentials> credentials, std::shared_ptr<TaskQueue> queue,
        std::shared_ptr<PeerCalls> calls, Callbacks callbacks);
  ~Peers() override;
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  // The other living members: streams are opened to new ones, closed to those that are no longer there.
  void SetMembers(const std::vector<Member>& others);
  // To be called often: what is due is done here.
  void Tick(SteadyTime now);
  // This process did not run for a while: the silence was its own.
  void Forgive(SteadyTime now);

  bool Knows(MemberId id) const { return links_.contains(id); }
  std::vector<MemberId> unreachable() const;  // ascending
  bool IsSettled() const;                     // all are heard; none is being tried

  // What the members that can be reached say of their store. kUnknown: there are none.
  enum class Store { kUnknown, kReached, kAway };
  Store store() const;

  // PeerOffers
  bool IsReachable(MemberId id) const override;
  void Offer(MemberId to, peer::OfferRequest request, Duration deadline, Offered done) override;

 private:
  struct Link {
    Link(std::string name, std::shared_ptr<const LinkCredentials> credentials)
        : target(std::move(name), std::move(credentials)) {}
    LinkTarget target;
    std::weak_ptr<grpc::ClientContext> call;
    uint64_t serial = 0;  // of the call; 0: there is none before open_at
    SteadyTime open_at;
    std::optional<SteadyTime> heard;  // in this call
    SteadyTime opened;
    bool ever_heard = false;
    bool unreachable = false;
    bool ends = false;  // it said so
    int failures = 0;   // in a row
    uint64_t changes = 0;
    bool reaches_store = true;
  };

  void Open(MemberId id, Link* link, SteadyTime now);
  void Close(Link* link);
  void OnNote(MemberId id, uint64_t serial, const peer::Note& note);
  void OnClosed(MemberId id, uint64_t serial, const grpc::Status& status);
  void SetUnreachable(MemberId id, Link* link, bool unreachable, const std::string& why);

  const MemberId self_;
  const std::shared_ptr<const LinkCredentials> credentials_;
  const std::shared_ptr<TaskQueue> queue_;
  const std::shared_ptr<PeerCalls> calls_;
  const Callbacks callbacks_;
  uint64_t last_serial_ = 0;
  std::map<MemberId, Link> links_;
};

}  // namespace dormouse
