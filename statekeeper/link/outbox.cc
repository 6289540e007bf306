#include "statekeeper/link/outbox.h"

#include <algorithm>

#include "common/rpc/link_channel.h"

namespace dormouse {
namespace {

// Notes in a batch of which it is large enough.
constexpr int kMaxNotes = 16'384;
constexpr int kDeliveriesField = link::ToGateway::kDeliveriesFieldNumber;

}  // namespace

uint64_t Outbox::AddDelivery(const DeliveryToAppend& delivery) {
  const uint64_t number = open_batch();
  WriteDelivery(delivery, deliveries_.Extend(DeliveryBytes(delivery)));
  if (!delivery.return_to.empty()) returnable_through_ = number;
  if (deliveries_.size() >= kBatchBytes) CloseBatch();
  return number;
}

uint64_t Outbox::AddSettled(ShardId shard, uint32_t epoch, uint64_t sequence) {
  const int size = open_.settled_size();
  if (size > 0) {
    link::Settled* last = open_.mutable_settled(size - 1);
    if (last->shard() == shard && last->epoch() == epoch && last->last() + 1 == sequence) {
      last->set_last(sequence);
      return open_batch();
    }
  }
  if (size >= kMaxNotes) CloseBatch();
  link::Settled* settled = open_.add_settled();
  settled->set_shard(shard);
  settled->set_epoch(epoch);
  settled->set_first(sequence);
  settled->set_last(sequence);
  return open_batch();
}

void Outbox::AddForget(GatewayId gateway, ShardId shard, uint64_t sequence, uint64_t below) {
  const int size = open_.forget_size();
  if (size > 0) {
    link::Forget* last = open_.mutable_forget(size - 1);
    if (last->gateway() == gateway && last->shard() == shard && last->below() == below &&
        last->last() + 1 == sequence) {
      last->set_last(sequence);
      return;
    }
  }
  if (size >= kMaxNotes) CloseBatch();
  link::Forget* forget = open_.add_forget();
  forget->set_gateway(gateway);
  forget->set_shard(shard);
  forget->set_first(sequence);
  forget->set_last(sequence);
  forget->set_below(below);
}

void Outbox::AddDurable(ShardId shard, uint32_t epoch, uint64_t commits) {
  if (open_.durable_size() >= kMaxNotes) CloseBatch();
  const int size = open_.durable_size();
  link::Durable* durable = size > 0 ? open_.mutable_durable(size - 1) : nullptr;
  if (durable == nullptr || durable->shard() != shard) durable = open_.add_durable();
  durable->set_shard(shard);
  durable->set_epoch(epoch);
  durable->set_commits(commits);
}

const grpc::ByteBuffer& Outbox::Next() {
  if (next_ == kept_.size()) CloseBatch();
  const grpc::ByteBuffer& batch = kept_[next_++];
  written_through_ = std::max(written_through_, acknowledged_ + next_);
  return batch;
}

bool Outbox::Acknowledge(uint64_t through) {
  if (through > written_through_) return false;
  Drop(through);
  return true;
}

void Outbox::Drop(uint64_t through) {
  for (; acknowledged_ < through && !kept_.empty(); ++acknowledged_) {
    kept_bytes_ -= kept_.front().Length();
    kept_.pop_front();
    if (next_ > 0) --next_;
  }
}

bool Outbox::VisitUnseen(Seen* seen, absl::FunctionRef<void(std::string_view)> visit) {
  if (seen->batch <= acknowledged_) *seen = {acknowledged_ + 1, 0};
  if (seen->batch == open_batch()) {
    visit(deliveries_.records().substr(seen->bytes));
    seen->bytes = deliveries_.size();
    return false;
  }
  link::ToGateway notes;
  BatchBytes deliveries;
  FromBuffer(kept_[seen->batch - acknowledged_ - 1], kDeliveriesField, &notes, &deliveries);
  visit(deliveries.view().substr(seen->bytes));
  *seen = {seen->batch + 1, 0};
  return true;
}

void Outbox::CloseBatch() {
  open_.set_batch(open_batch());
  kept_.push_back(deliveries_.Finish(open_, kDeliveriesField));
  kept_bytes_ += kept_.back().Length();
  open_.Clear();
}

}  // namespace dormouse
