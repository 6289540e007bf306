#include "statekeeper/link/recall_tracker.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr uint16_t kGoingAway = 1001;  // RFC 6455, 7.4.1

}  // namespace

uint64_t RecallTracker::Gateway::given_up_bytes() const {
  uint64_t bytes = 0;
  for (const ReturnIndex& index : given_up) bytes += index.bytes();
  return bytes;
}

std::vector<std::string> RecallTracker::Gateway::TakeGivenUp(uint64_t connection) {
  std::vector<std::string> frames;
  for (ReturnIndex& index : given_up) {
    for (std::string& frame : index.Take(connection)) frames.push_back(std::move(frame));
  }
  return frames;
}

RecallTracker::Gateway* RecallTracker::Find(GatewayId id) const {
  const auto found = state_.find(id);
  return found == state_.end() ? nullptr : found->second.get();
}

RecallTracker::Gateway* RecallTracker::FindOrAdd(GatewayId id) {
  std::unique_ptr<Gateway>& state = state_[id];
  if (state == nullptr) state = std::make_unique<Gateway>();
  return state.get();
}

void RecallTracker::Recall(const ConnectionId& closed, const ShardEpoch& shard, GatewayLinks::Recalled done) {
  GatewaySession* const gateway = gateways_->Find(closed.gateway);
  Gateway* const state = gateway == nullptr ? Find(closed.gateway) : FindOrAdd(closed.gateway);
  if (state == nullptr) return done({});
  Pending recall{
      .closed = closed, .shard = shard, .frames = state->TakeGivenUp(closed.handle), .done = std::move(done)};
  if (gateway == nullptr) return Finish(std::move(recall), {});
  if (gateway->linked()) return Ask(state, gateway, std::move(recall));
  std::vector<std::string> frames = TakeUnacknowledged(state, gateway, closed.handle);
  gateway->WantWrite();  // where it is seen how much memory the index takes
  Finish(std::move(recall), std::move(frames));
}

std::vector<std::string> RecallTracker::TakeUnacknowledged(Gateway* state, GatewaySession* gateway,
                                                           uint64_t connection) {
  if (state->unacknowledged == nullptr) state->unacknowledged = std::make_unique<ReturnIndex>();
  return state->unacknowledged->Take(gateway->mutable_outbox(), connection);
}

void RecallTracker::Ask(Gateway* state, GatewaySession* gateway, Pending recall) {
  const Recipient recipient{recall.closed.handle, {}};
  const std::string payload = ClosePayload(kGoingAway, "The connection was given up");
  recall.batch = gateway->Deliver({.kind = DeliveryKind::kClose,
                                   .shard = recall.shard.shard,
                                   .epoch = recall.shard.epoch,
                                   .cause = {},
                                   .recipients = {&recipient, 1},
                                   .payload = payload});
  state->pending.push_back(std::move(recall));
}

void RecallTracker::Finish(Pending recall, std::vector<std::string> frames) {
  for (std::string& frame : frames) recall.frames.push_back(std::move(frame));
  recall.done(std::move(recall.frames));
}

void RecallTracker::OnLinked(GatewaySession* gateway) {
  Gateway* const state = Find(gateway->id());
  if (state == nullptr) return;
  if (state->unacknowledged != nullptr) {
    state->unacknowledged->Restart();
    state->unacknowledged_end_ms = SteadyMs() + grace_ms_;
  }
  for (Pending& recall : std::exchange(state->pending, {})) Ask(state, gateway, std::move(recall));
}

void RecallTracker::OnAcknowledged(const GatewaySession& gateway) {
  Gateway* const state = Find(gateway.id());
  if (state == nullptr) return;
  while (!state->pending.empty() && state->pending.front().batch <= gateway.acknowledged()) {
    Pending recall = std::move(state->pending.front());
    state->pending.pop_front();
    Finish(std::move(recall), {});
  }
}

void RecallTracker::OnLost(GatewaySession* gateway) {
  Gateway* const state = Find(gateway->id());
  if (state == nullptr) return;
  for (Pending& recall : std::exchange(state->pending, {})) {
    std::vector<std::string> frames = TakeUnacknowledged(state, gateway, recall.closed.handle);
    Finish(std::move(recall), std::move(frames));
  }
}

std::vector<std::string> RecallTracker::OnGivenUp(GatewaySession* gateway) {
  const GatewayId id = gateway->id();
  Gateway* const known = Find(id);
  ReturnIndex index;
  if (known != nullptr && known->unacknowledged != nullptr) {
    index = std::move(*std::exchange(known->unacknowledged, nullptr));
  }
  if (!index.Absorb(std::move(*gateway->mutable_outbox()), max_bytes_)) {
    SPDLOG_ERROR("Of what gateway {:x} was sent and could be returned only {} bytes are kept", id,
                 index.bytes());
  }
  if (known == nullptr && index.bytes() == 0) return {};
  Gateway* const state = FindOrAdd(id);
  if (index.bytes() > 0) {
    state->given_up_end_ms = SteadyMs() + grace_ms_;
    state->given_up.push_back(std::move(index));
  }
  while (state->given_up.size() > 1 && state->given_up_bytes() > max_bytes_) {
    SPDLOG_ERROR("Gateway {:x} is given up again: {} bytes that it was sent before can be returned no more",
                 id, state->given_up.front().bytes());
    state->given_up.erase(state->given_up.begin());
  }
  for (Pending& recall : std::exchange(state->pending, {})) {
    std::vector<std::string> frames = state->TakeGivenUp(recall.closed.handle);
    Finish(std::move(recall), std::move(frames));
  }
  if (state->given_up.empty()) return {};
  const auto& hubs = state->given_up.back().hubs();
  return {hubs.begin(), hubs.end()};
}

void RecallTracker::Keep(GatewayId gateway, uint64_t connection, const ReturnIndex::Late& late,
                         int64_t now_ms) {
  Gateway* const state = FindOrAdd(gateway);
  if (state->given_up.empty()) state->given_up.emplace_back();
  state->given_up_end_ms = now_ms + grace_ms_;
  if (state->given_up_bytes() > max_bytes_) {
    SPDLOG_ERROR("Gateway {:x} is given up, and more is to be kept for it than may be: {} bytes are lost",
                 gateway, late.payload.size());
    return;
  }
  state->given_up.back().Add(connection, late);
}

bool RecallTracker::IsReturnedTwice(GatewayId gateway, const EventView& event) {
  Gateway* const state = Find(gateway);
  if (state == nullptr) return false;
  const auto was_taken = [&](ReturnIndex& index) { return index.WasTaken(event.connection, event.payload); };
  if (state->unacknowledged != nullptr && was_taken(*state->unacknowledged)) return true;
  return std::ranges::any_of(state->given_up, was_taken);
}

uint64_t RecallTracker::BytesOf(GatewayId gateway) const {
  const Gateway* const state = state_.empty() ? nullptr : Find(gateway);
  return state == nullptr || state->unacknowledged == nullptr ? 0 : state->unacknowledged->bytes();
}

bool RecallTracker::IsLinked(GatewayId id) const {
  const GatewaySession* const gateway = gateways_->Find(id);
  return gateway != nullptr && gateway->linked();
}

void RecallTracker::Expire(int64_t now_ms) {
  absl::erase_if(state_, [&](const auto& each) {
    Gateway& state = *each.second;
    if (IsLinked(each.first) && now_ms >= state.unacknowledged_end_ms) state.unacknowledged.reset();
    if (now_ms >= state.given_up_end_ms) state.given_up.clear();
    return state.pending.empty() && state.unacknowledged == nullptr && state.given_up.empty();
  });
}

int64_t RecallTracker::NextExpiryMs() const {
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const auto& [id, state] : state_) {
    if (!state->given_up.empty()) next = std::min(next, state->given_up_end_ms);
    if (state->unacknowledged != nullptr && IsLinked(id)) next = std::min(next, state->unacknowledged_end_ms);
  }
  return next;
}

}  // namespace dormouse
