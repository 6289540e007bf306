// What one lane says to one gateway: batches, numbered, kept until the gateway acknowledged them. The newest
// batch is open: it grows until it is written.
//
// Plain data; one thread.
#pragma once

#include <absl/functional/function_ref.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <deque>
#include <string_view>

#include "common/ids.h"
#include "common/shard.h"
#include "proto/batch_message.h"
#include "proto/link.pb.h"
#include "proto/packed.h"

namespace dormouse {

class Outbox {
 public:
  // --- Filling the open batch.

  // Returns the number of the batch that it went to.
  uint64_t AddDelivery(const DeliveryToAppend& delivery);
  // Consecutive ones are joined. Returns the number of the batch that it went to.
  uint64_t AddSettled(ShardId shard, uint32_t epoch, uint64_t sequence);
  void AddForget(GatewayId gateway, ShardId shard, uint64_t sequence, uint64_t below);
  // Travels with what is added next; the last one of a shard counts.
  void AddDurable(ShardId shard, uint32_t epoch, uint64_t commits);

  // --- Writing.

  // Something that should not wait: deliveries, or batches to be sent again.
  bool has_deliveries() const { return deliveries_.size() > 0 || next_ < kept_.size(); }
  // Notes (settled, forget), which may wait for company.
  bool has_notes() const { return open_.settled_size() > 0 || open_.forget_size() > 0; }
  // The next batch to write; the open one is closed for that. Something must be there.
  const grpc::ByteBuffer& Next();

  // --- Acknowledgement.

  // Drops batches up to this one. False: no such batch was ever written.
  bool Acknowledge(uint64_t through);
  // The same whether written or not: nobody wants them any more. The open one stays.
  void Drop(uint64_t through);
  // A new stream: what was not acknowledged is written again.
  void Rewind() { next_ = 0; }

  // Visits the packed deliveries of the oldest batch that is kept (see ReadDelivery), of which `*seen` says
  // that they are new to the caller. The bytes are valid during the call. False: it was the open one, the
  // last.
  struct Seen {
    uint64_t batch = 0;  // all before this one, and of this one
    size_t bytes = 0;    // so many
  };
  bool VisitUnseen(Seen* seen, absl::FunctionRef<void(std::string_view deliveries)> visit);

  // Whether there are returnable deliveries in what is kept.
  bool has_returnable() const { return returnable_through_ > acknowledged_; }

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t written_through() const { return written_through_; }
  // Whether an acknowledgement is due, or will be once it is written.
  bool has_unacknowledged() const { return !kept_.empty() || deliveries_.size() > 0; }
  // The number of the batch that a delivery appended now goes to.
  uint64_t open_batch() const { return acknowledged_ + kept_.size() + 1; }
  // Bytes kept, with those of the open batch.
  uint64_t bytes() const { return kept_bytes_ + deliveries_.size(); }

 private:
  void CloseBatch();

  uint64_t acknowledged_ = 0;
  uint64_t written_through_ = 0;       // to any stream
  uint64_t returnable_through_ = 0;    // the last batch with a returnable delivery
  std::deque<grpc::ByteBuffer> kept_;  // acknowledged_ + 1, ...
  size_t next_ = 0;                    // the first of them that is not written to this stream
  uint64_t kept_bytes_ = 0;

  // The open batch.
  BatchBuilder deliveries_;
  link::ToGateway open_;  // notes only
};

}  // namespace dormouse
