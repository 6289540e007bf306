// StatekeeperRouter's part in handing a gateway over to its successor (gateway/takeover/).
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "common/logging.h"
#include "gateway/link/statekeeper_router.h"

namespace dormouse {
namespace {

// In one item.
constexpr int kSavedCauses = 1'000;

void SaveTail(const SharedTail& tail, takeover::StateWriter* writer, takeover::Text* text) {
  if (tail.size > 0) writer->SetShared(tail.view(), text);
}

SharedTail RestoreTail(const takeover::Text& text, bool counts, takeover::StateReader* reader) {
  if (text.number() == 0) return {};
  const std::shared_ptr<std::string> bytes = reader->Shared(text);
  return {.bytes = {bytes, bytes->data()}, .size = bytes->size(), .counts = counts};
}

}  // namespace

void StatekeeperRouter::Save(takeover::StateWriter* writer) const {
  std::map<const StatekeeperLane*, uint32_t> numbers;
  for (const auto& [key, lane] : lanes_) {
    takeover::Item item;
    lane->stream()->Save(item.mutable_lane());
    writer->Add(std::move(item));
    numbers.emplace(lane.get(), static_cast<uint32_t>(numbers.size() + 1));
  }
  for (size_t i = 0; i < buffer_.size(); ++i) {
    const auto found = numbers.find(buffer_[i].route.lane());
    SaveShard(static_cast<ShardId>(i), found == numbers.end() ? 0 : found->second, writer);
  }
  const auto save_queued = [writer](const StatekeeperLane& lane, uint32_t number) {
    lane.queue().ForEach([&](const FairQueue::Waiting& waiting) {
      takeover::Item item;
      takeover::Waiting* const to = item.mutable_waiting();
      to->set_lane(number);
      to->set_kind(static_cast<uint32_t>(waiting.event.kind));
      to->set_shard(waiting.event.shard);
      to->set_connection(waiting.event.connection);
      to->set_last_seen_ms(waiting.event.last_seen_ms);
      to->set_repeated(waiting.event.repeated);
      writer->SetText(waiting.hub, to->mutable_hub());
      writer->SetText(waiting.payload, to->mutable_payload());
      SaveTail(waiting.tail, writer, to->mutable_tail());
      to->set_tail_counts(waiting.tail.counts);
      writer->Add(std::move(item));
    });
  };
  save_queued(unassigned_, 0);
  for (const auto& [lane, number] : numbers) save_queued(*lane, number);
}

void StatekeeperRouter::SaveShard(ShardId id, uint32_t lane, takeover::StateWriter* writer) const {
  const ReplayBuffer::Shard& shard = buffer_[id];
  takeover::Item item;
  takeover::Shard* const to = item.mutable_shard();
  to->set_number(id);
  to->set_lane(lane);
  to->set_epoch(shard.route.epoch());
  to->set_known_epoch(shard.route.known_epoch());
  to->set_commits(shard.route.commits());
  to->set_congested(shard.congested);
  shard.log.Save(to);
  writer->Add(std::move(item));
  shard.log.ForEach([writer](std::string_view record, const SharedTail* tail, uint32_t delivered) {
    takeover::Item event;
    writer->SetText(record, event.mutable_event()->mutable_record());
    event.mutable_event()->set_delivered(delivered);
    if (tail != nullptr) {
      SaveTail(*tail, writer, event.mutable_event()->mutable_tail());
      event.mutable_event()->set_tail_counts(tail->counts);
    }
    writer->Add(std::move(event));
  });
  takeover::Item causes;
  shard.foreign.ForEach([&](GatewayId gateway, uint64_t sequence, uint32_t delivered) {
    causes.mutable_causes()->add_gateway(gateway);
    causes.mutable_causes()->add_sequence(sequence);
    causes.mutable_causes()->add_delivered(delivered);
    if (causes.causes().gateway_size() == kSavedCauses) writer->Add(std::exchange(causes, {}));
  });
  if (causes.has_causes()) writer->Add(std::move(causes));
}

void StatekeeperRouter::Leave() {
  left_ = true;
  for (ev_timer* timer : {&retry_timer_, &acknowledge_timer_, &look_timer_}) ev_timer_stop(loop_, timer);
  watch_.Close();
  for (const auto& [key, lane] : lanes_) lane->stream()->Close();
}

bool StatekeeperRouter::Restore(const takeover::Item& item, takeover::StateReader* reader) {
  if (buffer_.size() == 0) buffer_.Open(held_map_.shard_count(), &unassigned_);
  switch (item.item_case()) {
    case takeover::Item::kLane:
      RestoreLane(item.lane(), reader);
      return true;
    case takeover::Item::kShard:
      RestoreShard(item.shard(), reader);
      return true;
    case takeover::Item::kEvent:
      RestoreEvent(item.event(), reader);
      return true;
    case takeover::Item::kCauses:
      RestoreCauses(item.causes());
      return true;
    case takeover::Item::kWaiting:
      RestoreWaiting(item.waiting(), reader);
      return true;
    default:
      return false;
  }
}

void StatekeeperRouter::RestoreLane(const takeover::Lane& from, takeover::StateReader* reader) {
  if (from.number() >= from.statekeeper().lanes()) return reader->Fail("a lane makes no sense");
  StatekeeperLane* const lane = LanesOf(from.statekeeper())[from.number()];
  lane->stream()->Restore(from);
  restored_lanes_.push_back(lane);
}

StatekeeperLane* StatekeeperRouter::RestoredLane(uint32_t number) {
  if (number == 0) return &unassigned_;
  return number <= restored_lanes_.size() ? restored_lanes_[number - 1] : nullptr;
}

void StatekeeperRouter::RestoreShard(const takeover::Shard& from, takeover::StateReader* reader) {
  StatekeeperLane* const lane = RestoredLane(from.lane());
  if (from.number() >= buffer_.size() || lane == nullptr) return reader->Fail("a shard makes no sense");
  restored_shard_ = &buffer_[from.number()];
  buffer_.Assign(restored_shard_, lane, from.epoch());
  restored_shard_->route.Restore(from.known_epoch(), from.commits());
  restored_shard_->log.Restore(from);
  restored_shard_->congested = from.congested();
}

void StatekeeperRouter::RestoreEvent(const takeover::Event& from, takeover::StateReader* reader) {
  if (restored_shard_ == nullptr) return reader->Fail("an event is of no shard");
  buffer_.Restore(restored_shard_, reader->TakeText(from.record()),
                  RestoreTail(from.tail(), from.tail_counts(), reader), from.delivered());
}

void StatekeeperRouter::RestoreCauses(const takeover::Causes& from) {
  const int count = std::min({from.gateway_size(), from.sequence_size(), from.delivered_size()});
  for (int i = 0; restored_shard_ != nullptr && i < count; ++i)
    restored_shard_->foreign.Restore(from.gateway(i), from.sequence(i), from.delivered(i));
}

void StatekeeperRouter::RestoreWaiting(const takeover::Waiting& from, takeover::StateReader* reader) {
  StatekeeperLane* const lane = RestoredLane(from.lane());
  if (from.shard() >= buffer_.size() || lane == nullptr)
    return reader->Fail("an event that waits makes no sense");
  const std::string hub = reader->TakeText(from.hub());
  const std::string payload = reader->TakeText(from.payload());
  EventView event;
  event.kind = static_cast<EventKind>(from.kind());
  event.shard = static_cast<ShardId>(from.shard());
  event.connection = from.connection();
  event.last_seen_ms = from.last_seen_ms();
  event.repeated = from.repeated();
  event.hub = hub;
  event.payload = payload;
  lane->Queue(&buffer_[from.shard()], event, RestoreTail(from.tail(), from.tail_counts(), reader));
  LookLater(*lane);
}

void StatekeeperRouter::Begin() {
  restored_lanes_.clear();
  restored_shard_ = nullptr;
  held_ = false;
  OnMap(std::exchange(held_map_, {}));
  Connect();
}

}  // namespace dormouse
