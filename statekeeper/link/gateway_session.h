// One gateway's session at a lane: its stream, and what outlives a stream that breaks. Batches to the gateway
// are numbered and kept until it acknowledges them (Outbox); when it links again those that it has not
// acknowledged are written again, and events that it repeats are known (ReceivedEvents).
//
//   linked --Lost--> waiting for the gateway --Link--> linked ...
//
// Two ends that disagree on what was sent start afresh: what was received is forgotten, and comes again.
//
// Whether it hangs. Somebody Looks every now and then. A gateway that has acknowledged nothing for so many
// looks, though its stream is open and something was there to be acknowledged, hangs. Looks are counted, not
// the time between them: if it was this process that stood still, that was one.
//
// Threading: the lane's.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "common/ids.h"
#include "common/rpc/link_stream.h"
#include "proto/link.pb.h"
#include "proto/packed.h"
#include "statekeeper/link/outbox.h"
#include "statekeeper/link/owned_shards.h"
#include "statekeeper/link/received_events.h"
#include "statekeeper/link/write_schedule.h"

namespace dormouse {

class GatewaySession {
 public:
  // Looks in vain, after the first one, of which this many are enough.
  static constexpr uint32_t kTicks = 10;

  // Of a process with so many lanes. `schedule`, `messages_sent` (which it counts up) and `owned` outlive it.
  struct Lane {
    uint32_t lanes = 1;
    const OwnedShards* owned = nullptr;
    WriteSchedule* schedule = nullptr;
    uint64_t* messages_sent = nullptr;
  };
  // Without a stream since then; steady clock.
  GatewaySession(GatewayId id, int64_t unlinked_ms, const Lane& lane);

  GatewayId id() const { return id_; }

  // --- Its stream. The session is the stream's context.

  bool linked() const { return stream_ != nullptr; }
  // Without a stream: since when, steady clock.
  int64_t unlinked_ms() const { return unlinked_ms_; }

  // Greets, and writes what is not acknowledged. A stream that was there is replaced.
  void Link(std::shared_ptr<LinkStream> stream, uint64_t incarnation, bool resumed);
  // The stream is gone.
  void OnLost();
  // Ends the stream so, and counts it as gone.
  void End(const grpc::Status& why);
  // The gateway is given up: it hears why if it reads, else its stream breaks off.
  void Abandon(const char* why);

  // --- What it has received.

  // False: it acknowledges what it was never sent.
  bool Acknowledge(uint64_t through) { return outbox_.Acknowledge(through); }
  uint64_t acknowledged() const { return outbox_.acknowledged(); }
  // False: it did so just now, and has to wait. (Every hub has to ask for its sockets then.)
  bool StartAfresh();

  // --- What it is told: numbered, with the next write. Each returns the number of its batch.

  uint64_t Deliver(const DeliveryToAppend& delivery);
  uint64_t Settled(ShardId shard, uint32_t epoch, uint64_t sequence);
  void Forget(GatewayId gateway, ShardId shard, uint64_t sequence, uint64_t below);
  void Durable(ShardId shard, uint32_t epoch, uint64_t commits) { outbox_.AddDurable(shard, epoch, commits); }

  // --- What it is told at once and never again: lost with the stream.

  // The lane has come to own it. Nothing that was done as its owner is said before.
  void Own(ShardId shard);
  void Answer(link::Look look);

  // --- Writing.

  void WantWrite();
  // Notes have waited long enough.
  void NotesAreDue();
  // In the end of the loop's turn: what its stream takes.
  void Write();

  const Outbox& outbox() const { return outbox_; }
  // What it was sent is to be read by somebody who takes it back, or takes it over.
  Outbox* mutable_outbox() { return &outbox_; }

  // --- What came from it.

  ReceivedEvents& received() { return received_; }
  const ReceivedEvents& received() const { return received_; }
  // So many bytes of events came; returns at which position on the stream they begin, which wraps.
  uint32_t CountEventBytes(size_t bytes);

  // --- Whether it hangs.

  // Whether an acknowledgement is due, or will be once it is written.
  bool owes_acknowledgement() const { return outbox_.has_unacknowledged(); }
  void Tick();
  // It is at work: its acknowledgements wait for what it sends.
  void SeenAtWork() { silent_ticks_ = 0; }
  bool hangs() const { return silent_ticks_ > kTicks; }
  // It has not acknowledged anything since the look before last, or has no stream to do so.
  bool stands() const { return !linked() || silent_ticks_ > 1; }

 private:
  // Lets go of the stream, which hears why.
  void LetGo(const grpc::Status& why);
  void WriteMessage(const link::ToGateway& message);
  void TellOwned();
  void TellAnswers();

  const GatewayId id_;
  const Lane lane_;
  std::shared_ptr<LinkStream> stream_;
  int64_t unlinked_ms_;
  int64_t afresh_ms_ = std::numeric_limits<int64_t>::min() / 2;  // when it last started so, steady clock

  Outbox outbox_;
  bool write_wanted_ = false;  // it is in the schedule
  bool notes_due_ = false;
  absl::flat_hash_set<ShardId> untold_;  // owned shards; none without a stream
  std::vector<link::Look> answers_;      // none without a stream

  ReceivedEvents received_;
  uint32_t event_bytes_ = 0;  // that came on this stream; wraps

  uint32_t silent_ticks_ = 0;  // since the last acknowledgement, with something to be acknowledged
  uint64_t acknowledged_at_tick_ = 0;
};

}  // namespace dormouse
