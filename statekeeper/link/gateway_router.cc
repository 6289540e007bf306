#include "statekeeper/link/gateway_router.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/auth/gateway_identity.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/rpc/link_channel.h"
#include "proto/batch_message.h"
#include "proto/refused_event.h"

namespace dormouse {
namespace {

constexpr double kMinLookS = 0.01;
// A gateway for which more than the buffer is kept is given up when it stands still, and at this multiple at
// once.
constexpr uint64_t kTooSlow = 4;

bool IsTooLarge(const Output& output) {
  size_t size = output.payload.size() + 12 * output.to.size();
  if (output.has_heads) {
    for (const Output::To& to : output.to) size += to.head.size();
  }
  return size > GatewayLinks::kMaxOutputBytes;
}

bool IsKnown(EventKind kind) { return kind >= EventKind::kOpen && kind <= EventKind::kLost; }

}  // namespace

GatewayRouter::GatewayRouter(Config config, uint32_t lanes,
                             std::shared_ptr<const std::atomic<uint32_t>> shard_count, struct ev_loop* loop,
                             Receiver* receiver)
    : config_(config),
      shard_count_(std::move(shard_count)),
      loop_(loop),
      receiver_(receiver),
      inbox_(new StreamInbox(loop, config.max_inbox, this)),
      owned_(config.lane, lanes),
      schedule_(loop, [this] { gateways_.ForEach([](GatewaySession* gateway) { gateway->NotesAreDue(); }); }),
      gateways_(config.gateway_grace,
                {.lanes = lanes, .owned = &owned_, .schedule = &schedule_, .messages_sent = &messages_sent_}),
      fanout_(&gateways_, [this](const EventOutput& event, const Output& output,
                                 const Output::To& to) { OnUndeliverable(event, output, to); }),
      settlements_(&gateways_, &owned_),
      recalls_(&gateways_, config.gateway_grace, config.gateway_buffer),
      answer_times_(loop, &gateways_),
      barrier_(&gateways_) {
  ev_timer_init(
      &grace_timer_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<GatewayRouter*>(timer->data)->OnGraceTimer(); },
      0, 0);
  grace_timer_.data = this;
  const double grace_s = static_cast<double>(config_.gateway_grace.count()) / 1000;
  ev_timer_init(
      &look_timer_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<GatewayRouter*>(timer->data)->OnLookTimer(); },
      0, std::max(grace_s / GatewaySession::kTicks, kMinLookS));
  look_timer_.data = this;
  ArmGraceTimer();
}

GatewayRouter::~GatewayRouter() {
  for (ev_timer* timer : {&grace_timer_, &look_timer_}) ev_timer_stop(loop_, timer);
  listeners_.clear();
  gateways_.ForEachLinked([](GatewaySession* gateway) {
    gateway->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the statekeeper stops"));
  });
  if (entrance_ != nullptr) entrance_->Close();
  inbox_->Close();
}

void GatewayRouter::Listen(std::string path, FramedStream::Admit admit) {
  auto listener = LocalListener::Listen(std::move(path), loop_, inbox_, std::move(admit));
  if (listener != nullptr) listeners_.push_back(std::move(listener));
}

std::shared_ptr<LaneEntrance> GatewayRouter::OpenEntrance(FramedStream::Admit admit) {
  entrance_ = std::make_shared<LaneEntrance>(loop_, inbox_, std::move(admit));
  return entrance_;
}

GatewayLinks::Traffic GatewayRouter::traffic() const {
  Traffic traffic{.messages_sent = messages_sent_, .messages_received = messages_received_};
  gateways_.ForEach([&](const GatewaySession* gateway) {
    traffic.gateways += gateway->linked() ? 1 : 0;
    traffic.unacknowledged_bytes += gateway->outbox().bytes();
  });
  return traffic;
}

std::vector<GatewayId> GatewayRouter::Linked() const {
  std::vector<GatewayId> linked;
  gateways_.ForEachLinked([&](const GatewaySession* gateway) { linked.push_back(gateway->id()); });
  return linked;
}

// --- Streams.

void GatewayRouter::OnArrival(Arrival& arrival) {
  if (arrival.kind == Arrival::kOpened) {
    ++messages_received_;
    return OnOpened(arrival.stream, arrival.message);
  }
  auto* gateway = static_cast<GatewaySession*>(arrival.stream->context());
  if (gateway == nullptr) return;  // a stream that was replaced or refused
  switch (arrival.kind) {
    case Arrival::kMessage:
      ++messages_received_;
      return OnMessage(gateway, arrival.message);
    case Arrival::kWritable:
      return gateway->WantWrite();
    default:
      gateway->OnLost();
      OnLost(gateway);
  }
}

void GatewayRouter::OnOpened(const std::shared_ptr<LinkStream>& stream, const grpc::ByteBuffer& message) {
  FromBuffer(message, &incoming_);  // the server has looked at it
  Start start = Start::kNew;
  grpc::Status refusal;
  GatewaySession* const gateway = Welcome(incoming_.hello(), &start, &refusal);
  if (gateway == nullptr) return stream->End(refusal);
  const bool resumed = start == Start::kResumed;
  {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_INFO("gateway {:x} has linked ({})", gateway->id(), resumed ? "resumed" : "new");
  }
  gateway->Link(stream, config_.incarnation, resumed);
  barrier_.OnAcknowledged(*gateway);
  recalls_.OnLinked(gateway);
  const bool was_given_up = gateways_.Readmit(gateway->id());
  if (was_given_up) lost_.OnBack(gateway, incoming_.hello().received_through(), owned_);
  ArmGraceTimer();
  if (was_given_up || start == Start::kAfresh) receiver_->OnGatewayBack(gateway->id());
}

GatewaySession* GatewayRouter::Welcome(const link::ToLane::Hello& hello, Start* start, grpc::Status* status) {
  const LogAbout about({.lane = config_.lane});
  const GatewayId id = GatewayIdOf(hello.identity());
  GatewaySession* gateway = gateways_.Find(id);
  if (gateway == nullptr) {
    const bool was_full = std::exchange(full_, gateways_.full());
    if (full_) {
      *status = {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many gateways are linked"};
      if (!was_full) SPDLOG_ERROR("gateways are refused: {} are known", gateways_.size());
      return nullptr;
    }
    gateway = gateways_.Add(id);
    TakeStale(gateway);
    return gateway;
  }
  TakeStale(gateway);
  const uint64_t through = hello.received_through();
  const bool continues = TakeAcknowledgement(gateway, through) && gateway->acknowledged() == through;
  *start = continues && !hello.afresh() ? Start::kResumed : Start::kAfresh;
  if (*start == Start::kResumed) return gateway;
  if (!gateway->StartAfresh()) {
    *status = {grpc::StatusCode::UNAVAILABLE, "it has just started afresh"};
    return nullptr;
  }
  settlements_.OnAfresh(id);
  SPDLOG_WARN(
      "gateway {:x} and this lane start afresh{}: it received batches up to {}, of {} to {} that are here",
      id, hello.afresh() ? " as it asks" : "", through, gateway->acknowledged() + 1,
      gateway->outbox().written_through());
  return gateway;
}

void GatewayRouter::OnMessage(GatewaySession* gateway, const grpc::ByteBuffer& message) {
  BatchBytes events;
  if (!FromBuffer(message, link::ToLane::kEventsFieldNumber, &incoming_, &events) || incoming_.has_hello()) {
    return Refuse(gateway, "it sent something that is not a batch");
  }
  TakeStale(gateway);
  for (const link::AnswerTimes& times : incoming_.answer_times()) {
    answer_times_.OnAnswer(gateway->id(), times);
  }
  uint32_t begin = 0;
  if (!TakeAcknowledgement(gateway, incoming_.received_through())) {
    Refuse(gateway, "it acknowledges what was never sent");
  } else if (!TakeEvents(gateway, events.view(), &begin)) {
    Refuse(gateway, "it sent an event that cannot be read, or of a shard that is not this lane's",
           RefusedEventDetails(begin));
  } else {
    recalls_.OnAcknowledged(*gateway);
    barrier_.OnAcknowledged(*gateway);
    answer_times_.OnAcknowledged(*gateway);
    TakeQuestions(gateway);
  }
}

void GatewayRouter::Refuse(GatewaySession* gateway, const std::string& why, const std::string& details) {
  SPDLOG_ERROR("Ending the stream of gateway {:x}: {}", gateway->id(), why);
  gateway->End(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, why, details));
  OnLost(gateway);
}

void GatewayRouter::OnLost(GatewaySession* gateway) {
  // It may have stopped in order. If something waits for it, giving it up is worth a warning.
  const LogAbout about({.lane = config_.lane});
  SPDLOG_INFO("gateway {:x} is not linked any more", gateway->id());
  ArmGraceTimer();
  barrier_.OnLost(gateway->id());
  recalls_.OnLost(gateway);
  answer_times_.OnLost(gateway->id());
}

// --- What came.

void GatewayRouter::TakeStale(GatewaySession* gateway) {
  for (const link::Stale& stale : incoming_.stale()) {
    if (stale.shard() >= shard_count_->load()) continue;
    const auto shard = static_cast<ShardId>(stale.shard());
    settlements_.OnStale(gateway->id(), shard, stale.epoch());
    const uint32_t owned = owned_.IsOfLane(shard) ? owned_.EpochOf(shard) : 0;
    if (owned != 0 && owned < stale.epoch()) receiver_->OnLaterEpoch({shard, stale.epoch()});
  }
}

bool GatewayRouter::TakeAcknowledgement(GatewaySession* gateway, uint64_t through) {
  if (through <= gateway->acknowledged()) return true;
  if (!gateway->Acknowledge(through)) return false;
  settlements_.OnAcknowledged(gateway->id(), through);
  return true;
}

bool GatewayRouter::TakeEvents(GatewaySession* gateway, std::string_view batch, uint32_t* begin) {
  const uint32_t shard_count = shard_count_->load();
  const uint32_t end = gateway->CountEventBytes(batch.size()) + static_cast<uint32_t>(batch.size());
  EventView event;
  size_t events = 0;
  while (!batch.empty()) {
    *begin = end - static_cast<uint32_t>(batch.size());
    if (!ReadEvent(&batch, &event) || !IsKnown(event.kind)) return false;
    if (event.shard >= shard_count || !owned_.IsOfLane(event.shard) || event.sequence == 0) return false;
    ++events;
    const auto verdict = gateway->received().Receive(event, owned_.EpochOf(event.shard));
    if (verdict == ReceivedEvents::Verdict::kSkip) continue;
    if (verdict == ReceivedEvents::Verdict::kFirst) settlements_.Forget(gateway->id(), event.shard);
    if (IsReturn(event.kind)) {
      gateway->SeenAtWork();
      if (recalls_.IsReturnedTwice(gateway->id(), event)) {
        Release({.cause = {gateway->id(), event.shard, event.sequence},
                 .shard = event.shard,
                 .epoch = event.epoch});
        continue;
      }
    }
    receiver_->OnEvent(gateway->id(), event);
  }
  if (events > 0) receiver_->OnBatch(events);
  return true;
}

void GatewayRouter::TakeQuestions(GatewaySession* gateway) {
  for (const link::LookAt& question : std::exchange(*incoming_.mutable_look_at(), {})) {
    const auto answer = [this, alive = std::weak_ptr(alive_), id = gateway->id(),
                         number = question.number()](link::Look look) {
      GatewaySession* const asker = alive.expired() ? nullptr : gateways_.Find(id);
      if (asker == nullptr) return;
      look.set_number(number);
      asker->Answer(std::move(look));
    };
    receiver_->OnLookAt(question.hub(), question.sleep(), answer);
  }
}

// --- Giving up.

uint64_t GatewayRouter::OwedBytes(const GatewaySession& gateway) const {
  return gateway.outbox().bytes() + settlements_.BytesOf(gateway.id()) + recalls_.BytesOf(gateway.id());
}

bool GatewayRouter::IsTooSlow(const GatewaySession& gateway) const {
  const uint64_t owed = OwedBytes(gateway);
  if (owed <= config_.gateway_buffer) return false;
  return gateway.stands() || owed > kTooSlow * config_.gateway_buffer;
}

void GatewayRouter::OnLookTimer() {
  bool any_owes = false;
  std::vector<std::pair<GatewayId, const char*>> given_up;
  gateways_.ForEach([&](GatewaySession* gateway) {
    gateway->Tick();
    any_owes |= gateway->owes_acknowledgement();
    if (gateway->hangs()) {
      given_up.emplace_back(gateway->id(), "it hangs, and has acknowledged nothing for the grace period");
    } else if (IsTooSlow(*gateway)) {
      given_up.emplace_back(gateway->id(), "it acknowledges too little of what it is sent");
    }
  });
  if (!any_owes) ev_timer_stop(loop_, &look_timer_);
  for (const auto& [id, why] : given_up) {
    if (gateways_.Find(id) != nullptr) GiveUp(id, why);
  }
}

void GatewayRouter::OnGraceTimer() {
  const int64_t now = SteadyMs();
  for (const GatewayId id : gateways_.Overdue(now)) GiveUp(id, "it did not come back");
  recalls_.Expire(now);
  lost_.Expire(now);
  ArmGraceTimer();
}

void GatewayRouter::ArmGraceTimer() {
  const int64_t now = SteadyMs();
  const int64_t next =
      std::min({gateways_.NextOverdueMs(now), recalls_.NextExpiryMs(), lost_.NextExpiryMs()});
  ev_timer_stop(loop_, &grace_timer_);
  if (next == std::numeric_limits<int64_t>::max()) return;
  ev_timer_set(&grace_timer_, static_cast<double>(std::max<int64_t>(next - now, 0)) / 1000, 0);
  ev_timer_start(loop_, &grace_timer_);
}

void GatewayRouter::GiveUp(GatewayId id, const char* why) {
  const std::unique_ptr<GatewaySession> gateway = gateways_.Remove(id);
  const bool in_order = !gateway->linked() && gateway->outbox().bytes() == 0;
  {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_LOGGER_CALL(spdlog::default_logger_raw(), in_order ? spdlog::level::info : spdlog::level::warn,
                       "gateway {:x} is given up: {}; {} bytes unacknowledged", id, why,
                       gateway->outbox().bytes());
  }
  gateway->Abandon(why);
  lost_.OnGivenUp(gateway.get(), SteadyMs());
  const std::vector<std::string> owed = recalls_.OnGivenUp(gateway.get());
  ArmGraceTimer();
  barrier_.OnLost(id);
  answer_times_.OnLost(id);
  receiver_->OnGatewayGone(id, owed);
  settlements_.OnGivenUp(id);
}

void GatewayRouter::OnUndeliverable(const EventOutput& event, const Output& output, const Output::To& to) {
  const auto& [gateway, connection] = to.connection;
  if (!gateways_.WasGivenUp(gateway)) return;
  const int64_t now = SteadyMs();
  if (event.cause.gateway != gateway) lost_.Add(gateway, connection, event.shard, now);
  if (!output.return_to.empty()) {
    recalls_.Keep(gateway, connection, {.payload = output.payload, .head = to.head}, now);
  }
  ArmGraceTimer();
}

// --- What the lane says.

void GatewayRouter::Own(const std::vector<ShardEpoch>& shards) {
  for (const ShardEpoch& shard : shards) owned_.Own(shard);
  gateways_.ForEach([&](GatewaySession* gateway) {
    for (const ShardEpoch& shard : shards) gateway->Own(shard.shard);
  });
}

void GatewayRouter::Disown(const std::vector<ShardId>& shards) {
  for (const ShardId shard : shards) {
    owned_.Disown(shard);
    gateways_.ForEach([&](GatewaySession* gateway) {
      gateway->received().Forget(shard);
      settlements_.Forget(gateway->id(), shard);
    });
  }
}

void GatewayRouter::Release(EventOutput event) {
  std::erase_if(event.outputs, [&](const Output& output) {
    if (!IsTooLarge(output)) return false;
    SPDLOG_ERROR("A message of {} bytes is too large to be sent", output.payload.size());
    return true;
  });
  const Cause& cause = event.cause;
  GatewaySession* const own = cause.IsEvent() ? gateways_.Find(cause.gateway) : nullptr;
  const bool current = own != nullptr && own->received().Has(cause.shard, event.epoch);
  const uint64_t commits = owned_.CommitsOf(event.shard);
  if (current && own->received().TellCommits(cause.shard, commits) && event.shard == cause.shard) {
    own->Durable(event.shard, event.epoch, commits);
  }
  // The usual event answers its own gateway only: its last delivery says that this is all, and nothing is
  // tracked.
  const bool behind = current && settlements_.HasUnsettled(cause.gateway, cause.shard);
  const bool alone = cause.IsEvent() && !behind && !fanout_.ReachesOthers(event);
  const auto parts = fanout_.Send(event, alone);
  if (!alone) {
    settlements_.Track(&event, parts);
  } else if (parts.empty() && own != nullptr) {
    own->Settled(cause.shard, event.epoch, cause.sequence);
  }
}

void GatewayRouter::Flush() {
  barrier_.Send();
  schedule_.Run([this](GatewayId id) {
    GatewaySession* const gateway = gateways_.Find(id);
    if (gateway == nullptr) return;
    if (IsTooSlow(*gateway)) return GiveUp(id, "it acknowledges too little of what it is sent");
    const bool waits = gateway->owes_acknowledgement() || gateway->outbox().has_notes();
    if (waits && !ev_is_active(&look_timer_)) ev_timer_again(loop_, &look_timer_);
    gateway->Write();
  });
}

}  // namespace dormouse
