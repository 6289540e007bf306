#include "gateway/link/batch_receiver.h"

#include <prometheus/histogram.h>

#include <optional>
#include <utility>
#include <vector>

namespace dormouse {

bool BatchReceiver::Receive(StatekeeperLane* lane, const link::ToGateway& batch,
                            std::string_view deliveries) {
  bool sound = true;
  for (const link::Durable& durable : batch.durable()) {
    if (ReplayBuffer::Shard* shard = Find(durable.shard(), &sound)) {
      shard->route.NoteCommits(durable.epoch(), durable.commits());
    }
  }
  // What cannot be read may have been the output of what is said to be settled behind it: that comes again
  // then.
  if (Deliver(lane, deliveries, &sound)) Settle(lane, batch, &sound);
  for (const link::Forget& forget : batch.forget()) {
    if (ReplayBuffer::Shard* shard = Find(forget.shard(), &sound)) {
      shard->foreign.Forget(forget.gateway(), forget.first(), forget.last(), forget.below());
    }
  }
  return sound;
}

bool BatchReceiver::TakeBarrier() { return std::exchange(barrier_, false); }

bool BatchReceiver::Deliver(StatekeeperLane* lane, std::string_view deliveries, bool* sound) {
  DeliveryView delivery;
  size_t count = 0;
  bool readable = true;
  while (!deliveries.empty() && (readable = ReadDelivery(&deliveries, &delivery))) {
    ++count;
    ReplayBuffer::Shard* const shard = Find(delivery.shard, sound);
    ReplayBuffer::Shard* const cause = Find(delivery.cause.shard, sound);
    if (shard == nullptr || cause == nullptr) continue;
    barrier_ |= delivery.kind == DeliveryKind::kBarrier;
    if (!IsCurrent(lane, delivery.shard, delivery.epoch)) continue;
    // The owner is newer than the map: it is told everything as soon as the map is here.
    if (delivery.epoch > shard->route.epoch()) lane->HoldAcknowledgement(delivery.shard, delivery.epoch);
    if (delivery.kind == DeliveryKind::kAskAnswerTimes) {
      TellAnswerTimes(lane, delivery);
    } else if (delivery.cause.gateway == gateway_) {
      DeliverOwn(lane, delivery, sound);
    } else if (!delivery.cause.IsEvent() ||
               cause->foreign.AcceptOnce(delivery.cause.gateway, delivery.cause.sequence, delivery.index)) {
      edge_->OnDelivery(delivery);
    }
  }
  if (batch_deliveries_ != nullptr && count > 0) batch_deliveries_->Observe(static_cast<double>(count));
  *sound &= readable;
  return readable;
}

void BatchReceiver::TellAnswerTimes(StatekeeperLane* lane, const DeliveryView& question) {
  link::AnswerTimes times;
  const std::optional<uint64_t> number = ReadQuestionNumber(question.payload);
  if (!number) return;
  times.set_number(*number);
  for (const int64_t at_ms : edge_->AnswerTimes(question)) times.add_at_ms(at_ms);
  lane->stream()->Tell(std::move(times));
}

// Its cause is an event of this gateway.
void BatchReceiver::DeliverOwn(StatekeeperLane* lane, const DeliveryView& delivery, bool* sound) {
  ReplayBuffer::Shard& cause = buffer_[delivery.cause.shard];
  const uint64_t sequence = delivery.cause.sequence;
  lane->DealtWith(cause, sequence);
  const ShardLog::Verdict verdict = cause.log.AcceptOnce(sequence, delivery.index);
  *sound &= verdict != ShardLog::Verdict::kUnknown;
  if (verdict == ShardLog::Verdict::kDeliver) edge_->OnDelivery(delivery);
  if (delivery.final) SettleEvents(&cause, sequence, sequence);
}

void BatchReceiver::Settle(StatekeeperLane* lane, const link::ToGateway& batch, bool* sound) {
  for (const link::Settled& settled : batch.settled()) {
    ReplayBuffer::Shard* const shard = Find(settled.shard(), sound);
    if (shard == nullptr) continue;
    if (settled.last() > shard->log.last_sequence()) {
      *sound = false;
      continue;
    }
    if (!IsCurrent(lane, static_cast<ShardId>(settled.shard()), settled.epoch())) continue;
    lane->DealtWith(*shard, settled.last());
    SettleEvents(shard, settled.first(), settled.last());
  }
}

void BatchReceiver::SettleEvents(ReplayBuffer::Shard* shard, uint64_t first, uint64_t last) {
  buffer_.Settle(shard, first, last, [this](const EventView& event) { edge_->OnSettled(event); });
}

bool BatchReceiver::IsCurrent(StatekeeperLane* lane, ShardId shard, uint32_t epoch) {
  ShardRoute& route = buffer_[shard].route;
  if (route.Heed(epoch)) return true;
  lane->stream()->IgnoredStale(shard, route.known_epoch());
  return false;
}

ReplayBuffer::Shard* BatchReceiver::Find(uint32_t shard, bool* sound) {
  if (shard < buffer_.size()) return &buffer_[shard];
  *sound = false;
  return nullptr;
}

}  // namespace dormouse
