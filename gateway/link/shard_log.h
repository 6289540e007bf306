// The events of one shard that are not settled yet, in order: what a gateway keeps so that a new stream, or a
// new owner, can be told again. Also knows how many deliveries each event has caused here, so that a second
// handling of it does not reach clients twice.
//
// Plain data; one thread.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/link/event_batch.h"
#include "gateway/link/shared_tail.h"
#include "proto/packed.h"
#include "proto/takeover.pb.h"

namespace dormouse {

class ShardLog {
 public:
  // Takes a copy of the event, its payload followed by `tail`, under the next sequence number. Returns the
  // bytes it occupies until it is settled.
  size_t Append(EventView event, SharedTail tail = {});

  // --- Sending.
  bool has_unsent() const { return sent_ < events_.size(); }
  // Appends records that were not taken since the last Rewind to `batch`, until that holds `max_bytes`; they
  // stay here. `position`: of the batch, in what is sent to the lane; it may wrap.
  void TakeUnsent(size_t max_bytes, EventBatch* batch, uint32_t position = 0);
  // Where the event ended in that; none: it is settled, or was not taken.
  std::optional<uint32_t> PositionOf(uint64_t sequence) const;
  // The unsettled event that was taken and ended first after this position; none: there is none.
  std::optional<uint64_t> EndingAfter(uint32_t position) const;
  // Everything unsettled is to be sent again, now as of this epoch. `mark_repeated`: to somebody who does not
  // know what was sent before, so that is marked as repeated.
  void Rewind(uint32_t epoch, bool mark_repeated);
  // All up to this sequence number were taken since the last Rewind (or are settled).
  uint64_t sent_through() const { return first_ + (sent_ - front_) - 1; }

  // --- Deliveries caused by an event of this log.
  enum class Verdict {
    kDeliver,  // and counted
    kSeen,     // was delivered before, or its cause is settled
    kUnknown,  // no such event was ever appended
  };
  Verdict AcceptOnce(uint64_t sequence, uint32_t index);

  // --- Settlement. Returns the bytes that were freed; settled and unknown events are passed over.
  // `on_settled` is told of each of the others; it must not come back here.
  size_t Settle(uint64_t first, uint64_t last, absl::FunctionRef<void(const EventView&)> on_settled);

  // --- For this process's successor. What is there of each event that was appended, from the first that is not
  // settled on, in order; `record` is empty for one that is settled, `tail` nullptr where it has none.
  void Save(takeover::Shard* to) const;
  void ForEach(absl::FunctionRef<void(std::string_view record, const SharedTail* tail, uint32_t delivered)>
                   visit) const;
  // Of a fresh one. Nothing of it counts as sent, until the next Rewind.
  void Restore(const takeover::Shard& from);
  // The next event. Returns the bytes that it occupies until it is settled.
  size_t RestoreEvent(std::string record, SharedTail tail, uint32_t delivered);

  uint64_t last_sequence() const { return first_ + (events_.size() - front_) - 1; }
  size_t unsettled() const { return unsettled_; }
  size_t unsettled_bytes() const { return unsettled_bytes_; }

 private:
  struct Event {
    std::string record;      // as AppendEvent wrote it; empty: settled
    uint32_t delivered = 0;  // deliveries that went to sockets
    uint32_t position = 0;   // if it was taken
  };

  void DropSettledFront();

  std::map<uint64_t, SharedTail> tails_;  // by sequence number; mostly empty
  // events_[front_] has the sequence number first_; what is before front_ is settled and waits to be erased.
  std::vector<Event> events_;
  size_t front_ = 0;
  size_t sent_ = 0;
  uint64_t first_ = 1;
  uint64_t ever_sent_through_ = 0;  // as of the last Rewind
  size_t unsettled_ = 0;
  size_t unsettled_bytes_ = 0;
};

}  // namespace dormouse
