// One lane's links to all gateways, as the lane sees them: takes their events off the streams, packs and
// addresses deliveries, keeps each delivery until its gateway has it, and tells gateways which events are
// settled. How: GatewayRouter and its parts.
//
//   streams (completion thread) --inbox--> GatewayLinks --> GatewayLinks::Receiver (the lane)
//   the lane --> GatewayLinks::Release --> batches --> streams
//
// Reliability. What is released reaches its gateway once, in order, across streams that break; events come
// once, in order (GatewaySession). If the two ends disagree on what was sent, they start afresh.
//
// Giving up. A gateway is given up (OnGatewayGone) when it has been away for the grace period; when it has
// not acknowledged anything for as long while something was there to be acknowledged, though its stream is
// open: it hangs; and when it acknowledges too slowly for what it is sent (Config::gateway_buffer). Until
// then it delays the settlement of events whose output went to it, and nothing else.
//
// Settlement. An event is settled when Release was called for it (so its writes are durable) and every
// gateway that got output of it has acknowledged that (SettlementTracker). Output that went only to the
// event's own gateway needs no record: its last delivery is marked final.
//
// Ownership. Gateways hear from the lane itself what it owns (Own); the shard map only helps. Events carry
// the epoch in which their gateway believes: of another epoch than that of Own they are dropped, for then the
// gateway sends everything unsettled again as soon as it knows.
//
// Lost time. Gateways are told how many commits of a shard are durable, behind each of their events that has
// made one; and the next owner tells how many the store knows. So a gateway finds out when the store has lost
// some, and which hubs are to ask for their sockets.
//
// Returns. Returnable output that does not reach its socket comes back: from the gateway as kUndelivered
// events; from here, when it is recalled while the gateway has no stream (RecallTracker).
//
// Threading: everything on the lane's thread and its event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "common/ids.h"
#include "common/shard.h"
#include "proto/link.pb.h"
#include "proto/packed.h"

struct ev_loop;

namespace dormouse {

// One delivery of an event, to sockets of any gateways.
struct Output {
  struct To {
    ConnectionId connection;
    std::string head;  // used where has_heads
  };
  DeliveryKind kind = DeliveryKind::kText;
  std::vector<To> to;
  bool has_heads = false;
  std::string payload;
  std::string return_to = {};  // not empty: the hub ("CLASS/NAME") to which it returns from closed sockets
  // Gateways that get it even where none of the recipients is theirs (a roll call goes to those, too, that
  // the hub believes to have none of its sockets).
  std::vector<GatewayId> also_to = {};
};

// All that one handled event sends.
struct EventOutput {
  Cause cause;
  ShardId shard = 0;
  uint32_t epoch = 0;
  std::vector<Output> outputs = {};
  // Runs when every gateway that got output has acknowledged it, or is gone (at once where there is none).
  // Does not run when a gateway ignored it because the shard has a newer owner. For causes that are not
  // events; may be empty.
  std::function<void()> acknowledged = {};
};

class GatewayLinks {
 public:
  class Receiver {
   public:
    virtual ~Receiver() = default;
    // The views live until the call returns. Only events in the epoch in which this lane owns their shard
    // come (see Own). Each must be Released exactly once, in any order; after Disown it may also be dropped.
    virtual void OnEvent(GatewayId gateway, const EventView& event) = 0;
    // The gateway did not come back within the grace period: its sockets are gone. `owed`: the hubs
    // ("CLASS/NAME") some of whose returnable output it has not acknowledged, to be recalled before the next
    // grace period ends.
    virtual void OnGatewayGone(GatewayId gateway, const std::vector<std::string>& owed) = 0;
    // For metrics: so many events came in one batch.
    virtual void OnBatch(size_t /*events*/) {}
    // A gateway that this process gave up before has linked again, or has started afresh: it may not have got
    // what it was sent. Before any of its events.
    virtual void OnGatewayBack(GatewayId /*gateway*/) {}
    // A gateway ignores what is said here of a shard, for it has heard of this later epoch. Once for each
    // that a gateway says.
    virtual void OnLaterEpoch(const ShardEpoch& /*known*/) {}
    // A gateway asks how a hub lives, for somebody who looks at it. `answer`: once, now or later, on this
    // thread; the number is filled in.
    using Answer = std::function<void(link::Look look)>;
    // NOLINTNEXTLINE(performance-unnecessary-value-param): who answers later keeps it.
    virtual void OnLookAt(const std::string& /*hub*/, bool /*sleep*/, Answer /*answer*/) {}
  };

  struct Config {
    uint64_t incarnation = 0;
    uint32_t lane = 0;
    Duration gateway_grace{10'000};
    // Bytes kept for one gateway. When there are more it has to go on acknowledging (without a pause of a
    // tenth of the grace period) or is given up; so is one for which there are four times as many, whatever
    // it does: that one is too slow.
    uint64_t gateway_buffer = 64u << 20;
    uint64_t max_inbox = 64u << 20;  // bytes of events that may wait here before streams are read no further
  };

  static constexpr size_t kMaxOutputBytes =
      60u << 20;  // an Output's payload, heads and recipients (12 bytes each)

  virtual ~GatewayLinks() = default;

  // Hands over what an event sends, and that its writes are durable. Empty outputs: it is settled at once. A
  // message larger than kMaxOutputBytes is not sent.
  virtual void Release(EventOutput output) = 0;

  // Asks back the returnable output to a closed connection that did not reach its socket. While the gateway
  // has a stream it is asked: its kUndelivered events were handed over when `done` runs. If it has none, or
  // loses it meanwhile, `done` gets what the gateway has not acknowledged, oldest first, without waiting for
  // it; also for a grace period after it was given up, of at most `gateway_buffer` bytes. Output that is
  // released later is not covered. `done` may run within the call. `shard`, `epoch`: of the hub.
  using Recalled = std::function<void(std::vector<std::string> frames)>;
  virtual void Recall(const ConnectionId& closed, ShardId shard, uint32_t epoch, Recalled done) = 0;

  // When gateways last answered frames on these connections of a hub by themselves: wall clock, in their order; 0 where
  // that never was, or nobody says. `done` runs within a quarter of a second, perhaps within the call.
  using Answered = std::function<void(std::vector<int64_t> at_ms)>;
  virtual void AskAnswerTimes(const std::vector<ConnectionId>& connections, const ShardEpoch& /*shard*/,
                              const Answered& done) {
    done(std::vector<int64_t>(connections.size()));
  }

  // --- Ownership. Gateways are told at once, those that link later at the start of their streams; so the
  // lane must be ready for events of these shards. A shard may be owned already, in an earlier epoch.
  virtual void Own(const std::vector<ShardEpoch>& shards) = 0;
  // How many commits of the shard are durable: before Own, and whenever it is more.
  virtual void SetCommits(ShardId /*shard*/, uint64_t /*commits*/) {}
  // The lane does not own them any more: nobody is told (the next owner does that), none of their events is
  // settled from here on, and no `acknowledged` of them runs. What was released for them may still be
  // delivered.
  virtual void Disown(const std::vector<ShardId>& shards) = 0;
  // `done` runs when everything that was released for these shards has been acknowledged by the gateways that
  // have a stream, and every event that is settled by that has been told so: a next owner is then sent no
  // event of which Release was called here. The lane gives the shards no new events meanwhile. Within the
  // call where no gateway is linked; a gateway that loses its stream meanwhile is not waited for. Calls of
  // one turn cost one round together.
  virtual void Quiesce(const std::vector<ShardEpoch>& shards, std::function<void()> done) = 0;

  // Gateways with a stream now: who is to be asked when a hub calls the roll.
  virtual std::vector<GatewayId> Linked() const = 0;

  // Whether the gateway has a stream, or lost it less than the grace period ago. A gateway never seen counts
  // as present for a grace period from this object's start on.
  virtual bool IsPresent(GatewayId gateway) const = 0;

  // Takes nothing more from gateways until Hold(false): their streams wait, and with them what they
  // acknowledge. May be called within OnEvent.
  virtual void Hold(bool hold) = 0;

  // Writes batches that Release has filled. The lane calls it at the end of each turn of its loop (of any
  // turn: the links rely on it too). Gateways may be given up here, so OnGatewayGone may be called.
  virtual void Flush() = 0;

  // For metrics: gateways with a stream now; bytes kept until gateways acknowledge them; messages read and
  // written.
  struct Traffic {
    size_t gateways = 0;
    uint64_t unacknowledged_bytes = 0;
    uint64_t messages_sent = 0;
    uint64_t messages_received = 0;
  };
  virtual Traffic traffic() const = 0;
};

}  // namespace dormouse
