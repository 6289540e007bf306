// A lane of a statekeeper, as this gateway sees it: which events it is sent next, and how much is under way.
//
//   shards with unsent events     take turns, so that one with much to say does not make others wait for all
//   connections with much of it   wait in a FairQueue, unnumbered, as long as a SendWindow is under way
//
// Events that carry frames back go before the acknowledgement of the batch that made them
// (AcknowledgementBarrier).
//
// Threading: the gateway's loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "common/shard.h"
#include "gateway/link/acknowledgement_barrier.h"
#include "gateway/link/event_batch.h"
#include "gateway/link/fair_queue.h"
#include "gateway/link/replay_buffer.h"
#include "gateway/link/send_window.h"
#include "gateway/link/shared_tail.h"
#include "gateway/link/statekeeper_stream.h"
#include "proto/packed.h"

namespace dormouse {

class StatekeeperLane {
 public:
  // `buffer`: where its shards are; outlives it. Without a stream: the lane of shards that have no owner.
  explicit StatekeeperLane(ReplayBuffer* buffer) : buffer_(*buffer) {}

  void set_stream(std::unique_ptr<StatekeeperStream> stream) { stream_ = std::move(stream); }
  StatekeeperStream* stream() const { return stream_.get(); }
  bool answers() const { return stream_ != nullptr && stream_->greeted(); }

  ReplayBuffer::Share* share() { return &share_; }
  const ReplayBuffer::Share& share() const { return share_; }

  // --- Its shards have events for it.

  // The log of this shard of its own has unsent events.
  void Enqueue(ShardId shard);
  // All that is not settled is to be sent again. `mark_repeated`: the lane does not know what it was sent.
  void Resend(ShardId shard, bool mark_repeated);
  // An event waits for its turn; what follows it of its connection has to, too.
  void Queue(ReplayBuffer::Shard* shard, const EventView& event, SharedTail tail);
  bool HasQueued() const { return !queue_.empty(); }
  bool HasQueued(uint64_t connection) const { return queue_.Has(connection); }
  const FairQueue& queue() const { return queue_; }
  // What waits for its turn of a shard that was the other's, and is its own now.
  void TakeQueued(ShardId shard, StatekeeperLane* from);

  // --- What it says.

  // Its stream begins: nothing is under way.
  void Restart();
  // It has dealt with this event of the shard, so with all that it was sent before.
  void DealtWith(const ReplayBuffer::Shard& shard, uint64_t sequence);
  // Every now and then, while something waits for its turn.
  void Tick() { window_.Tick(); }
  // The batch at hand, or the next one, is not acknowledged before the owner of the shard in this epoch was
  // told what it has not been told yet.
  void HoldAcknowledgement(ShardId shard, uint32_t epoch);
  // The event that lies there on the stream, and is not settled. nullptr: there is none.
  std::pair<ReplayBuffer::Shard*, uint64_t> FindSent(uint32_t begin);

  // In the end of a turn: sends what there is. `acknowledge`: also when it is only an acknowledgement.
  void Flush(bool acknowledge);

 private:
  bool QueueMoves(size_t before) const { return !queue_.empty() && window_.IsOpen(before); }
  // Fills batch_ up to its size.
  void TakeEvents();
  void TakeNumbered();
  void TakeQueued();
  uint64_t AcknowledgeableThrough();
  void HoldAcknowledgement(uint64_t batch, ShardId shard, uint32_t epoch);
  uint64_t FirstUnacknowledged() const;

  ReplayBuffer& buffer_;
  std::unique_ptr<StatekeeperStream> stream_;
  ReplayBuffer::Share share_;
  std::deque<ShardId> unsent_;  // shards that may have unsent events
  FairQueue queue_;
  SendWindow window_;
  AcknowledgementBarrier barrier_;
  EventBatch batch_;  // kept for its memory
};

}  // namespace dormouse
