#include "statekeeper/runtime/lane/hub_router.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/logging.h"
#include "common/nearest_name.h"
#include "statekeeper/runtime/hub/close_codes.h"

namespace dormouse {
namespace {

// An alarm that is due while the store is away.
constexpr int64_t kAlarmLaterMs = 1000;

}  // namespace

bool HubRouter::IsKnownClass(std::string_view hub) const {
  if (parts_.hubs->FindClass(hub) != nullptr) return true;
  const LogAbout about({.lane = config_.lane, .hub = hub});
  SPDLOG_WARN("there is no such hub class");
  return false;
}

void HubRouter::OnEvent(GatewayId gateway, const EventView& event) {
  ServedShard* const shard = parts_.hubs->Find(event.shard);
  if (shard == nullptr || event.epoch != shard->epoch) {
    const LogAbout about({.lane = config_.lane, .shard = event.shard});
    SPDLOG_DEBUG("passed over an event of epoch {}", event.epoch);
    return;
  }
  parts_.metrics->events.Increment();
  event_bytes_ += event.payload.size();
  event::FromGateway taken = EventOf(gateway, event);
  if (ShardOf(event.hub, config_.shard_count) != event.shard) {
    {
      const LogAbout about(
          {.lane = config_.lane, .shard = event.shard, .hub = event.hub, .connection = taken.connection()});
      SPDLOG_ERROR("gateway {:x} sent an event of this hub, which is not of this shard: it is dropped",
                   gateway);
    }
    parts_.metrics->unreadable.Increment();
    return Refuse({event.shard, event.epoch}, std::move(taken), "This could not be handed on");
  }
  if (event.repeated) taken.attempts = shard->attempts;
  Handle(event.hub, event.shard, shard, std::move(taken));
}

void HubRouter::OnAlarm(const DueAlarm& alarm, ShardId id) {
  const std::string& hub = alarm.hub;
  ServedShard* const shard = parts_.hubs->Find(id);
  if (shard == nullptr || !MayServe(*shard)) {
    parts_.alarms->Done(hub, id, 0);
    if (shard == nullptr || shard->retired) return;  // who serves it next looks again
    shard->alarm_waits = true;
    return parts_.lease->Await();
  }
  if (!IsKnownClass(hub)) return parts_.alarms->Ran(hub);  // rings no more
  // What it changes could not be made durable, and what changes nothing would have to wait behind it.
  if (!parts_.store->healthy()) return parts_.alarms->Done(hub, id, WallMs() + kAlarmLaterMs);
  parts_.metrics->alarms.Increment();
  const int64_t late_ms = std::max<int64_t>(WallMs() - alarm.due_ms, 0);
  parts_.metrics->alarm_lateness.Observe(static_cast<double>(late_ms) / 1000);
  event::AlarmDue due;
  if (alarm.due_ms <= shard->claimed_ms) due.attempts = shard->attempts;
  Take(hub, id, shard, due);
}

void HubRouter::OnRequest(const std::string& hub, std::shared_ptr<HubRequest> request) {
  if (!IsServed(hub, request.get())) return;
  const ShardId id = ShardOf(hub, config_.shard_count);
  Handle(hub, id, parts_.hubs->Find(id), event::Request{std::move(request)});
}

bool HubRouter::IsServed(const std::string& hub, HubRequest* request) const {
  const ServedShard* const shard = parts_.hubs->Find(ShardOf(hub, config_.shard_count));
  if (shard == nullptr || shard->retired) {
    request->Finish(HubRequest::Outcome::kNotOwner, "The hub lives elsewhere");
    return false;
  }
  if (parts_.hubs->FindClass(hub) != nullptr) return true;
  const std::vector<std::string> names = parts_.hubs->ClassNames();
  const std::string nearest = NearestName(HubClassOf(hub), names);
  request->Finish(HubRequest::Outcome::kNoClass,
                  fmt::format("There is no hub class {}{}", HubClassOf(hub),
                              nearest.empty() ? fmt::format("; there are: {}", fmt::join(names, ", "))
                                              : fmt::format("; is it to be {}?", nearest)));
  return false;
}

void HubRouter::Handle(std::string_view hub, ShardId id, ServedShard* shard, HubEvent event) {
  if (shard->waiting.empty() && MayServe(*shard)) return Take(hub, id, shard, std::move(event));
  shard->waiting.push_back({std::string(hub), std::move(event)});
  if (!shard->retired) parts_.lease->Await();
}

void HubRouter::Take(std::string_view hub, ShardId id, ServedShard* shard, HubEvent event) {
  if (const auto it = shard->hubs.find(hub); it != shard->hubs.end()) {
    return it->second->Deliver(std::move(event));
  }
  const ShardEpoch epoch{id, shard->epoch};
  if (parts_.scheduler->room().Append(hub, epoch, &event)) return;
  if (!IsKnownClass(hub)) {
    const event::FromGateway* const from = FindUnsettled(event);
    const bool opens = from != nullptr && from->kind == EventKind::kOpen;
    return Refuse(epoch, event, opens ? "No such hub class" : "");
  }
  if (parts_.scheduler->MayWake(LineOf(event)))
    return parts_.hubs->Wake(hub, epoch)->Deliver(std::move(event));
  parts_.scheduler->Add(hub, epoch, std::move(event));
}

void HubRouter::Refuse(const ShardEpoch& shard, const HubEvent& event, std::string_view close_reason) {
  EventOutput refusal;
  refusal.shard = shard.shard;
  refusal.epoch = shard.epoch;
  if (const event::FromGateway* const from = FindUnsettled(event)) {
    refusal.cause = {from->gateway, shard.shard, from->sequence};
    if (!close_reason.empty()) {
      refusal.outputs.push_back({DeliveryKind::kClose,
                                 {{from->connection(), {}}},
                                 false,
                                 ClosePayload(kInternalError, close_reason)});
    }
  }
  parts_.host->Release(std::move(refusal));
}

void HubRouter::HandleWaiting(ShardId id) {
  ServedShard* shard = parts_.hubs->Find(id);
  while (shard != nullptr && !shard->waiting.empty() && MayServe(*shard)) {
    ServedShard::Waiting next = std::move(shard->waiting.front());
    shard->waiting.pop_front();
    Take(next.hub, id, shard, std::move(next.event));
    shard = parts_.hubs->Find(id);
  }
  // It ran out again.
  if (shard != nullptr && !shard->retired && !shard->waiting.empty()) parts_.lease->Await();
}

void HubRouter::OnLeaseRenewed() {
  std::vector<ShardId> waiting;
  for (auto& [id, shard] : parts_.hubs->shards()) {
    if (shard.retired) continue;
    if (std::exchange(shard.alarm_waits, false)) parts_.alarms->AddShard(id);
    if (!shard.waiting.empty()) waiting.push_back(id);
  }
  for (const ShardId id : waiting) HandleWaiting(id);
}

void HubRouter::CountTurn() {
  parts_.metrics->event_bytes.Increment(static_cast<double>(std::exchange(event_bytes_, 0)));
}

}  // namespace dormouse
