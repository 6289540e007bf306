// The implementation of GatewayLinks, for LinkServer, which puts streams into its inbox.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <ev.h>

#include <atomic>
#include <deque>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/stream_inbox.h"
#include "proto/link.pb.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/link/local_listener.h"
#include "statekeeper/link/outbox.h"
#include "statekeeper/link/return_index.h"
#include "statekeeper/link/settlement.h"

namespace dormouse {

class LaneLinks final : public GatewayLinks, private StreamInbox::Owner {
 public:
  // `lanes`: of this process. `shard_count`: of the cluster; known before the first stream comes.
  LaneLinks(Config config, uint32_t lanes, std::shared_ptr<const std::atomic<uint32_t>> shard_count,
            struct ev_loop* loop, Receiver* receiver);
  ~LaneLinks() override;

  // Takes streams whose first message is a ToLane with a Hello that is meant for this lane.
  const std::shared_ptr<StreamInbox>& inbox() const { return inbox_; }
  // Takes the streams of this host's gateways at `path`, too: those that `admit` lets in.
  void Listen(std::string path, LocalStream::Admit admit);

  void Release(EventOutput output) override;
  void Recall(const ConnectionId& closed, ShardId shard, uint32_t epoch, Recalled done) override;
  void Own(const std::vector<ShardEpoch>& shards) override;
  void SetCommits(ShardId shard, uint64_t commits) override;
  void Disown(const std::vector<ShardId>& shards) override;
  void Quiesce(const std::vector<ShardEpoch>& shards, std::function<void()> done) override;
  std::vector<GatewayId> Linked() const override;
  bool IsPresent(GatewayId gateway) const override;
  void Hold(bool hold) override { inbox_->Hold(hold); }
  void Flush() override;
  Traffic traffic() const override;

 private:
  // Events of one gateway and shard that were taken.
  struct Taken {
    uint32_t epoch = 0;
    uint64_t first = 0;  // the first one in this epoch: those before it were settled
    uint64_t through = 0;
    // Those that are tracked, in the order in which they were released, until their gateway is told that they
    // are settled. It is told in this order: a replay must never run an earlier event after the effects of a
    // later one.
    std::list<std::shared_ptr<Settlement>> tracked;
    uint64_t commits = 0;  // that the gateway was told of in this epoch
  };

  // The first event that came in an epoch before the lane owned it. The gateway sends it again; what it sends
  // in that epoch until then must wait its turn.
  struct Missed {
    uint32_t epoch = 0;
    uint64_t sequence = 0;
  };

  // A recall that the gateway is asked about: done when it has acknowledged `batch`.
  struct PendingRecall {
    uint64_t batch = 0;
    ConnectionId closed;
    ShardId shard = 0;
    uint32_t epoch = 0;
    std::vector<std::string> frames;  // that are here, from before the gateway was given up
    Recalled done;
  };

  // Quiesces of one turn: two fences to each gateway, one after the other. Once all have acknowledged the
  // first, each is being told what is settled by that; once they have acknowledged the second, they know.
  struct Fence {
    bool second = false;
    size_t awaited = 0;  // acknowledgements
    ShardEpoch shard;    // one of them
    std::vector<std::function<void()>> done;
  };

  struct Gateway {
    GatewayId id = 0;
    std::shared_ptr<LinkStream> stream;  // none: lost since lost_ms
    int64_t lost_ms = 0;                 // steady clock
    uint32_t event_bytes = 0;            // that came on this stream; wraps
    Outbox outbox;
    bool flush_wanted = false;  // it is in to_flush_
    // Whether it hangs: how many looks in a row found something unacknowledged, and no acknowledgement since
    // the first of them, nor anything that came back from its sockets.
    uint32_t silent_looks = 0;
    uint64_t acknowledged_at_look = 0;
    int64_t afresh_ms = std::numeric_limits<int64_t>::min() / 2;  // when it last started so, steady clock
    bool notes_due = false;    // settled and forget records have waited long enough
    std::vector<Taken> taken;  // by shard / lanes
    // What waits for this gateway to acknowledge a batch, in the order of batches.
    std::deque<std::pair<uint64_t, std::shared_ptr<Settlement>>> awaiting;
    absl::flat_hash_map<ShardId, uint32_t> stale;  // it ignores earlier epochs of these shards
    std::deque<PendingRecall> recalls;             // in the order of batches; none without a stream
    // Quiesces that wait for it to acknowledge a batch, in the order of batches; none without a stream.
    std::deque<std::pair<uint64_t, std::shared_ptr<Fence>>> fences;
    absl::flat_hash_map<ShardId, Missed> missed;  // mostly empty
    absl::flat_hash_set<ShardId> owned_unsaid;    // what it has not been told of owned_
    std::vector<link::Look> looks;                // answers that wait; none without a stream
    std::unique_ptr<ReturnIndex> returns;         // present if something was recalled while it had no stream
    int64_t returns_end_ms = 0;                   // with a stream: when they are forgotten, steady clock
  };

  // What is left of a gateway that was given up, for a grace period: what it was sent returnable.
  struct Legacy {
    int64_t end_ms = 0;                // steady clock
    std::vector<ReturnIndex> returns;  // one for each time, oldest first

    uint64_t bytes() const;
  };

  // The deliveries of one output to one gateway, while they are gathered.
  struct Part {
    Gateway* gateway = nullptr;
    uint32_t index = 0;   // of the next delivery of this cause
    uint64_t batch = 0;   // that the last one went to
    bool wanted = false;  // the output at hand goes there
    std::vector<Recipient> recipients;
  };

  // --- Streams.
  void OnArrival(Arrival& arrival) override;
  void OnArrivalsEnd() override;
  void OnOpened(const std::shared_ptr<LinkStream>& stream, const grpc::ByteBuffer& message);
  // How a stream begins.
  enum class Start { kNew, kResumed, kAfresh };
  // The gateway that greets so, made ready for a stream; nullptr: it is refused, `*status` says why.
  Gateway* Welcome(const link::ToLane::Hello& hello, Start* start, grpc::Status* status);
  // Whether all batches up to this one were sent, and all after it are still here.
  bool Continues(Gateway* gateway, uint64_t through);
  void StartAfresh(Gateway* gateway, const link::ToLane::Hello& hello);
  void Greet(Gateway* gateway, bool resumed);
  void OnMessage(Gateway* gateway, const grpc::ByteBuffer& message);
  void NoteStale(Gateway* gateway);
  // False: `*begin` is where on the stream one is that cannot be read.
  bool TakeEvents(Gateway* gateway, uint32_t* begin);
  // Whether the lane owns the event's shard in its epoch, and has missed none before it.
  bool IsInTurn(Gateway* gateway, const EventView& event);
  // Ends a stream that broke the rules.
  void Refuse(Gateway* gateway, const std::string& why, const std::string& details = {});
  void Lost(Gateway* gateway);

  // --- Gateways.
  Gateway* Find(GatewayId id) const;
  Gateway* Add(GatewayId id);
  // Also one that was never seen, while it may yet come; nullptr: it is gone.
  Gateway* FindPresent(GatewayId id);
  void ArmGraceTimer();
  void GiveUpOverdue();
  void GiveUp(GatewayId id, const char* why);
  void ForgetReturns(int64_t now_ms);
  // Looks for gateways that hang, as long as any has something to acknowledge.
  void LookForSilence();
  // Memory that is taken for what it has not acknowledged.
  uint64_t OwedBytes(const Gateway& gateway) const;
  bool IsTooSlow(const Gateway& gateway) const;
  void WantFlush(Gateway* gateway);
  void WantNotes();
  void NotesAreDue();
  void FlushGateway(Gateway* gateway);

  // --- Ownership.
  // 0: not owned.
  uint32_t OwnedEpoch(ShardId shard) const;
  void AddOwned(ShardId shard, link::ToGateway* message) const;
  void TellOwned(Gateway* gateway);

  // --- Looks.
  void TakeQuestions(Gateway* gateway);
  void TellLooks(Gateway* gateway);

  void SendFences(const std::shared_ptr<Fence>& fence);
  // By one gateway.
  void Passed(const std::shared_ptr<Fence>& fence);
  // Those that the gateway has acknowledged.
  void FinishFences(Gateway* gateway);
  // The gateway is not waited for.
  void ForgetFences(Gateway* gateway);

  // --- Releasing.
  // Whether anything goes to a gateway other than the cause's own.
  bool ReachesOthers(const EventOutput& event);
  // The last output that goes to this gateway.
  static size_t LastFor(GatewayId id, const EventOutput& event);
  // nullptr: the gateway is gone.
  Part* PartFor(GatewayId id);
  void Append(const EventOutput& event, const Output& output, bool final);

  // --- Recalling.
  void AskBack(Gateway* gateway, PendingRecall recall);
  // Those about which the gateway has answered.
  static void FinishRecalls(Gateway* gateway);
  // Without its answer: with what it has not acknowledged, too.
  static void FinishRecall(PendingRecall recall, std::vector<std::string> frames);
  static ReturnIndex* ReturnsOf(Gateway* gateway);
  // What the gateway, which is given up, leaves behind of its outbox, and of earlier times; nullptr: nothing.
  Legacy* Bequeath(Gateway* gateway);
  static std::vector<std::string> TakeBack(Legacy* legacy, uint64_t connection);
  // A frame comes back that was taken back here before.
  bool IsReturnedTwice(const Gateway& gateway, const EventView& event);

  // --- Settling.
  // nullptr: it was taken in another epoch, or from a gateway that is gone.
  Taken* TakenOf(const Cause& cause, uint32_t epoch);
  // The event's gateway is to hear of the commits that it has made, or others before it.
  void TellCommits(const EventOutput& event, Taken* taken);
  uint64_t CommitsOf(ShardId shard) const;
  void Track(EventOutput* event);
  // False: the gateway acknowledges what it was never sent.
  bool OnAcknowledged(Gateway* gateway, uint64_t through);
  void Advance(const std::shared_ptr<Settlement>& settlement);
  // Every acknowledgement of the settlement's phase is there.
  void Settle(const std::shared_ptr<Settlement>& settlement);
  // Tells the gateway of all that are delivered and have no undelivered one before them.
  void TellSettled(Gateway* own, Taken* taken);
  void TellForget(const Settlement& settlement);

  const Config config_;
  const uint32_t lanes_;
  const std::shared_ptr<const std::atomic<uint32_t>> shard_count_;
  struct ev_loop* const loop_;
  Receiver* const receiver_;
  const int64_t start_ms_;
  const std::shared_ptr<StreamInbox> inbox_;
  std::vector<std::unique_ptr<LocalListener>> listeners_;
  ev_timer grace_timer_;
  ev_timer notes_timer_;
  ev_timer silence_timer_;

  std::vector<uint32_t> owned_;          // epoch by shard / lanes; 0: not owned
  std::vector<uint64_t> commits_;        // durable, by shard / lanes
  std::shared_ptr<Fence> fence_wanted_;  // gathers the Quiesces of this turn

  absl::flat_hash_map<GatewayId, std::unique_ptr<Gateway>> gateways_;
  absl::flat_hash_map<GatewayId, std::unique_ptr<Legacy>> legacies_;
  std::deque<GatewayId> given_up_;  // the latest, in this order; each once
  std::vector<GatewayId> to_flush_;
  std::vector<GatewayId> flushing_;
  link::ToLane incoming_;    // kept for its memory
  std::vector<Part> parts_;  // of the event that is being released; the first part_count_ count
  size_t part_count_ = 0;
  // Whether this object lives, for answers that come late.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  uint64_t messages_sent_ = 0;
  uint64_t messages_received_ = 0;
  bool full_ = false;  // gateways are refused, which has been said
};

}  // namespace dormouse
