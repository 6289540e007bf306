#include "statekeeper/link/lane_links.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/auth/gateway_identity.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/rpc/link_channel.h"
#include "proto/refused_event.h"

namespace dormouse {
namespace {

// How long settled and forget records may wait for deliveries to travel with.
constexpr double kNotesS = 0.005;
// Gateways that one lane knows. And gateways that were given up and may come back, of which it is remembered.
constexpr size_t kMaxGateways = 1024;
constexpr size_t kMaxGivenUp = kMaxGateways;
// Looks for gateways that hang in a grace period: so many after the first in vain are enough.
constexpr uint32_t kLooks = 10;
constexpr double kMinLookS = 0.01;
// A gateway for which more than the buffer is kept is given up after so many in vain, and at this multiple at
// once.
constexpr uint32_t kLooksBeyondBuffer = 1;
constexpr uint64_t kTooSlow = 4;
// What waits for an acknowledgement costs so much, beside its bytes.
constexpr uint64_t kSettlementBytes = 256;
// A gateway starts afresh no more often: every hub has to ask for its sockets then.
constexpr int64_t kAfreshMs = 1000;
constexpr uint16_t kGoingAway = 1001;  // RFC 6455, 7.4.1

bool IsTooLarge(const Output& output) {
  size_t size = output.payload.size() + 12 * output.to.size();
  if (output.has_heads) {
    for (const Output::To& to : output.to) size += to.head.size();
  }
  return size > GatewayLinks::kMaxOutputBytes;
}

bool IsKnown(EventKind kind) { return kind >= EventKind::kOpen && kind <= EventKind::kLost; }

}  // namespace

LaneLinks::LaneLinks(Config config, uint32_t lanes, std::shared_ptr<const std::atomic<uint32_t>> shard_count,
                     struct ev_loop* loop, Receiver* receiver)
    : config_(config),
      lanes_(lanes),
      shard_count_(std::move(shard_count)),
      loop_(loop),
      receiver_(receiver),
      start_ms_(SteadyMs()),
      inbox_(new StreamInbox(loop, config.max_inbox, this)) {
  ev_timer_init(
      &grace_timer_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<LaneLinks*>(timer->data)->GiveUpOverdue(); }, 0,
      0);
  grace_timer_.data = this;
  ev_timer_init(
      &notes_timer_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<LaneLinks*>(timer->data)->NotesAreDue(); }, 0,
      kNotesS);
  notes_timer_.data = this;
  const double grace_s = static_cast<double>(config_.gateway_grace.count()) / 1000;
  ev_timer_init(
      &silence_timer_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<LaneLinks*>(timer->data)->LookForSilence(); },
      0, std::max(grace_s / kLooks, kMinLookS));
  silence_timer_.data = this;
}

LaneLinks::~LaneLinks() {
  for (ev_timer* timer : {&grace_timer_, &notes_timer_, &silence_timer_}) ev_timer_stop(loop_, timer);
  listeners_.clear();
  for (const auto& [id, gateway] : gateways_) {
    if (gateway->stream != nullptr) {
      gateway->stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the statekeeper stops"));
    }
  }
  inbox_->Close();
}

void LaneLinks::Listen(std::string path, LocalStream::Admit admit) {
  auto listener = LocalListener::Listen(std::move(path), loop_, inbox_, std::move(admit));
  if (listener != nullptr) listeners_.push_back(std::move(listener));
}

GatewayLinks::Traffic LaneLinks::traffic() const {
  Traffic traffic{.messages_sent = messages_sent_, .messages_received = messages_received_};
  for (const auto& [id, gateway] : gateways_) {
    traffic.gateways += gateway->stream != nullptr ? 1 : 0;
    traffic.unacknowledged_bytes += gateway->outbox.bytes();
  }
  return traffic;
}

std::vector<GatewayId> LaneLinks::Linked() const {
  std::vector<GatewayId> linked;
  for (const auto& [id, gateway] : gateways_) {
    if (gateway->stream != nullptr) linked.push_back(id);
  }
  return linked;
}

// --- Streams.

void LaneLinks::OnArrival(Arrival& arrival) {
  if (arrival.kind == Arrival::kOpened) {
    ++messages_received_;
    OnOpened(arrival.stream, arrival.message);
    return;
  }
  auto* gateway = static_cast<Gateway*>(arrival.stream->context());
  if (gateway == nullptr) return;  // a stream that was replaced or refused
  switch (arrival.kind) {
    case Arrival::kMessage:
      ++messages_received_;
      OnMessage(gateway, arrival.message);
      break;
    case Arrival::kWritable:
      WantFlush(gateway);
      break;
    default:
      Lost(gateway);
  }
}

void LaneLinks::OnArrivalsEnd() {}

void LaneLinks::OnOpened(const std::shared_ptr<LinkStream>& stream, const grpc::ByteBuffer& message) {
  FromBuffer(message, &incoming_);  // the server has looked at it
  Start start = Start::kNew;
  grpc::Status refusal;
  Gateway* const gateway = Welcome(incoming_.hello(), &start, &refusal);
  if (gateway == nullptr) return stream->End(refusal);
  if (gateway->stream != nullptr) {
    gateway->stream->set_context(nullptr);
    gateway->stream->End(grpc::Status(grpc::StatusCode::ABORTED, "replaced by a newer stream"));
  }
  if (gateway->returns != nullptr) {
    gateway->returns->Restart();
    gateway->returns_end_ms = SteadyMs() + config_.gateway_grace.count();
    ArmGraceTimer();
  }
  gateway->stream = stream;
  gateway->event_bytes = 0;
  stream->set_context(gateway);
  Greet(gateway, start == Start::kResumed);
  FinishFences(gateway);
  // What it acknowledged on another stream says nothing of the events that were lost with that.
  for (PendingRecall& recall : std::exchange(gateway->recalls, {})) AskBack(gateway, std::move(recall));
  gateway->outbox.Rewind();
  WantFlush(gateway);
  const bool was_given_up = std::erase(given_up_, gateway->id) > 0;
  if (was_given_up || start == Start::kAfresh) receiver_->OnGatewayBack(gateway->id);
}

LaneLinks::Gateway* LaneLinks::Welcome(const link::ToLane::Hello& hello, Start* start, grpc::Status* status) {
  const GatewayId id = GatewayIdOf(hello.identity());
  Gateway* gateway = Find(id);
  if (gateway == nullptr) {
    const bool was_full = std::exchange(full_, gateways_.size() >= kMaxGateways);
    if (full_) {
      *status = {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many gateways are linked"};
      const LogAbout about({.lane = config_.lane});
      if (!was_full) SPDLOG_ERROR("gateways are refused: {} are known", gateways_.size());
      return nullptr;
    }
    gateway = Add(id);
    NoteStale(gateway);
    return gateway;
  }
  NoteStale(gateway);
  const bool continues = Continues(gateway, hello.received_through()) && !hello.afresh();
  *start = continues ? Start::kResumed : Start::kAfresh;
  if (continues) return gateway;
  if (SteadyMs() - gateway->afresh_ms < kAfreshMs) {
    *status = {grpc::StatusCode::UNAVAILABLE, "it has just started afresh"};
    return nullptr;
  }
  StartAfresh(gateway, hello);
  return gateway;
}

bool LaneLinks::Continues(Gateway* gateway, uint64_t through) {
  return OnAcknowledged(gateway, through) && gateway->outbox.acknowledged() == through;
}

void LaneLinks::StartAfresh(Gateway* gateway, const link::ToLane::Hello& hello) {
  const LogAbout about({.lane = config_.lane});
  SPDLOG_WARN(
      "gateway {:x} and this lane start afresh{}: it received batches up to {}, of {} to {} that are here",
      gateway->id, hello.afresh() ? " as it asks" : "", hello.received_through(),
      gateway->outbox.acknowledged() + 1, gateway->outbox.written_through());
  gateway->afresh_ms = SteadyMs();
  gateway->silent_looks = 0;
  for (Taken& taken : gateway->taken) taken = {};
  // The gateway has not heard that these are settled, so they come again; not before the end of that may
  // others forget that they have seen them.
  for (const auto& [batch, settlement] : gateway->awaiting) {
    settlement->ignored |= settlement->phase == Settlement::Phase::kTelling;
  }
}

void LaneLinks::Greet(Gateway* gateway, bool resumed) {
  const LogAbout about({.lane = config_.lane});
  SPDLOG_INFO("gateway {:x} has linked ({})", gateway->id, resumed ? "resumed" : "new");
  link::ToGateway greeting;
  greeting.mutable_hello()->set_incarnation(config_.incarnation);
  greeting.mutable_hello()->set_resumed(resumed);
  greeting.mutable_hello()->set_after(gateway->outbox.acknowledged());
  for (size_t i = 0; i < owned_.size(); ++i) {
    if (owned_[i] != 0) AddOwned(static_cast<ShardId>(i * lanes_ + config_.lane), &greeting);
  }
  gateway->owned_unsaid.clear();
  gateway->stream->Write(ToBuffer(greeting));
  ++messages_sent_;
}

void LaneLinks::OnMessage(Gateway* gateway, const grpc::ByteBuffer& message) {
  if (!FromBuffer(message, &incoming_) || incoming_.has_hello()) {
    Refuse(gateway, "it sent something that is not a batch");
    return;
  }
  NoteStale(gateway);
  uint32_t begin = 0;
  if (!OnAcknowledged(gateway, incoming_.received_through())) {
    Refuse(gateway, "it acknowledges what was never sent");
  } else if (!TakeEvents(gateway, &begin)) {
    Refuse(gateway, "it sent an event that cannot be read, or of a shard that is not this lane's",
           RefusedEventDetails(begin));
  } else {
    FinishRecalls(gateway);  // behind the events of the same message
    FinishFences(gateway);
    TakeQuestions(gateway);
  }
  if (incoming_.events().capacity() > 2 * kBatchBytes) std::string().swap(*incoming_.mutable_events());
}

void LaneLinks::NoteStale(Gateway* gateway) {
  for (const link::Stale& stale : incoming_.stale()) {
    if (stale.shard() >= shard_count_->load()) continue;
    const auto shard = static_cast<ShardId>(stale.shard());
    gateway->stale[shard] = stale.epoch();
    const uint32_t owned = shard % lanes_ == config_.lane ? OwnedEpoch(shard) : 0;
    if (owned != 0 && owned < stale.epoch()) receiver_->OnLaterEpoch({shard, stale.epoch()});
  }
}

bool LaneLinks::TakeEvents(Gateway* gateway, uint32_t* begin) {
  const uint32_t shard_count = shard_count_->load();
  gateway->taken.resize(shard_count / lanes_ + 1);
  owned_.resize(shard_count / lanes_ + 1);
  std::string_view batch = incoming_.events();
  gateway->event_bytes += static_cast<uint32_t>(batch.size());
  EventView event;
  size_t events = 0;
  while (!batch.empty()) {
    *begin = gateway->event_bytes - static_cast<uint32_t>(batch.size());
    if (!ReadEvent(&batch, &event) || !IsKnown(event.kind)) return false;
    if (event.shard >= shard_count || event.shard % lanes_ != config_.lane || event.sequence == 0) {
      return false;
    }
    ++events;
    if (!IsInTurn(gateway, event)) continue;
    Taken& taken = gateway->taken[event.shard / lanes_];
    if (event.epoch == taken.epoch && event.sequence <= taken.through) continue;
    if (event.epoch != taken.epoch) {
      taken = {.epoch = event.epoch, .first = event.sequence, .through = 0, .tracked = {}, .commits = 0};
    }
    taken.through = event.sequence;
    // Its acknowledgements wait for what comes back, and that comes no faster than it is dealt with here.
    if (IsReturn(event.kind)) gateway->silent_looks = 0;
    if (IsReturn(event.kind) && IsReturnedTwice(*gateway, event)) {
      Release(
          {.cause = {gateway->id, event.shard, event.sequence}, .shard = event.shard, .epoch = event.epoch});
      continue;
    }
    receiver_->OnEvent(gateway->id, event);
  }
  if (events > 0) receiver_->OnBatch(events);
  return true;
}

bool LaneLinks::IsInTurn(Gateway* gateway, const EventView& event) {
  const uint32_t owned = owned_[event.shard / lanes_];
  if (event.epoch == owned && gateway->missed.empty()) return true;
  if (event.epoch > owned) {
    Missed& missed = gateway->missed[event.shard];
    if (event.epoch > missed.epoch || (event.epoch == missed.epoch && event.sequence < missed.sequence)) {
      missed = {event.epoch, event.sequence};
    }
  }
  if (event.epoch != owned) return false;
  const auto missed = gateway->missed.find(event.shard);
  if (missed == gateway->missed.end()) return true;
  if (missed->second.epoch == event.epoch && missed->second.sequence < event.sequence) return false;
  if (missed->second.epoch <= event.epoch) gateway->missed.erase(missed);
  return true;
}

void LaneLinks::Refuse(Gateway* gateway, const std::string& why, const std::string& details) {
  SPDLOG_ERROR("Ending the stream of gateway {:x}: {}", gateway->id, why);
  gateway->stream->set_context(nullptr);
  gateway->stream->End(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, why, details));
  Lost(gateway);
}

void LaneLinks::Lost(Gateway* gateway) {
  // It may have stopped in order. If something waits for it, giving it up is worth a warning.
  const LogAbout about({.lane = config_.lane});
  SPDLOG_INFO("gateway {:x} is not linked any more", gateway->id);
  gateway->stream.reset();
  gateway->owned_unsaid.clear();  // its next stream begins with all
  gateway->looks.clear();
  gateway->lost_ms = SteadyMs();
  ArmGraceTimer();
  ForgetFences(gateway);
  for (PendingRecall& recall : std::exchange(gateway->recalls, {})) {
    const uint64_t connection = recall.closed.handle;
    FinishRecall(std::move(recall), ReturnsOf(gateway)->Take(&gateway->outbox, connection));
  }
}

// --- Gateways.

LaneLinks::Gateway* LaneLinks::Find(GatewayId id) const {
  const auto found = gateways_.find(id);
  return found == gateways_.end() ? nullptr : found->second.get();
}

LaneLinks::Gateway* LaneLinks::Add(GatewayId id) {
  auto& gateway = gateways_[id];
  gateway = std::make_unique<Gateway>();
  gateway->id = id;
  return gateway.get();
}

LaneLinks::Gateway* LaneLinks::FindPresent(GatewayId id) {
  Gateway* gateway = Find(id);
  if (gateway != nullptr || !IsPresent(id)) return gateway;
  gateway = Add(id);  // may yet come
  gateway->lost_ms = start_ms_;
  ArmGraceTimer();
  return gateway;
}

bool LaneLinks::IsPresent(GatewayId id) const {
  if (Find(id) != nullptr) return true;
  return SteadyMs() - start_ms_ < config_.gateway_grace.count() &&
         std::find(given_up_.begin(), given_up_.end(), id) == given_up_.end();
}

void LaneLinks::ArmGraceTimer() {
  const int64_t now = SteadyMs();
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const auto& [id, gateway] : gateways_) {
    if (gateway->stream == nullptr) {
      next = std::min(next, gateway->lost_ms + config_.gateway_grace.count() - now);
    } else if (gateway->returns != nullptr) {
      next = std::min(next, gateway->returns_end_ms - now);
    }
  }
  for (const auto& [id, legacy] : legacies_) next = std::min(next, legacy->end_ms - now);
  ev_timer_stop(loop_, &grace_timer_);
  if (next == std::numeric_limits<int64_t>::max()) return;
  ev_timer_set(&grace_timer_, static_cast<double>(std::max<int64_t>(next, 0)) / 1000, 0);
  ev_timer_start(loop_, &grace_timer_);
}

void LaneLinks::GiveUpOverdue() {
  const int64_t now = SteadyMs();
  std::vector<GatewayId> overdue;
  for (const auto& [id, gateway] : gateways_) {
    if (gateway->stream == nullptr && now - gateway->lost_ms >= config_.gateway_grace.count()) {
      overdue.push_back(id);
    }
  }
  for (const GatewayId id : overdue) GiveUp(id, "it did not come back");
  ForgetReturns(now);
  ArmGraceTimer();
}

void LaneLinks::ForgetReturns(int64_t now_ms) {
  for (const auto& [id, gateway] : gateways_) {
    if (gateway->stream != nullptr && now_ms >= gateway->returns_end_ms) gateway->returns.reset();
  }
  absl::erase_if(legacies_, [&](const auto& each) { return now_ms >= each.second->end_ms; });
}

// Looks are counted, not the time between them: if it was this process that stood still, that was one.
void LaneLinks::LookForSilence() {
  bool any_waits = false;
  std::vector<std::pair<GatewayId, const char*>> given_up;
  for (const auto& [id, gateway] : gateways_) {
    const uint64_t acknowledged = gateway->outbox.acknowledged();
    const bool waits = gateway->outbox.has_unacknowledged();
    any_waits |= waits;
    if (!waits || std::exchange(gateway->acknowledged_at_look, acknowledged) != acknowledged) {
      gateway->silent_looks = 0;
    }
    // Without a stream other times hold.
    if (waits && gateway->stream != nullptr) ++gateway->silent_looks;
    if (gateway->silent_looks > kLooks) {
      given_up.emplace_back(id, "it hangs, and has acknowledged nothing for the grace period");
    } else if (IsTooSlow(*gateway)) {
      given_up.emplace_back(id, "it acknowledges too little of what it is sent");
    }
  }
  if (!any_waits) ev_timer_stop(loop_, &silence_timer_);
  for (const auto& [id, why] : given_up) {
    if (Find(id) != nullptr) GiveUp(id, why);
  }
}

uint64_t LaneLinks::OwedBytes(const Gateway& gateway) const {
  return gateway.outbox.bytes() + gateway.awaiting.size() * kSettlementBytes +
         (gateway.returns == nullptr ? 0 : gateway.returns->bytes());
}

bool LaneLinks::IsTooSlow(const Gateway& gateway) const {
  const uint64_t owed = OwedBytes(gateway);
  if (owed <= config_.gateway_buffer) return false;
  const bool stands = gateway.stream == nullptr || gateway.silent_looks > kLooksBeyondBuffer;
  return stands || owed > kTooSlow * config_.gateway_buffer;
}

uint64_t LaneLinks::Legacy::bytes() const {
  uint64_t bytes = 0;
  for (const ReturnIndex& index : returns) bytes += index.bytes();
  return bytes;
}

void LaneLinks::GiveUp(GatewayId id, const char* why) {
  const auto found = gateways_.find(id);
  const std::unique_ptr<Gateway> gateway = std::move(found->second);
  gateways_.erase(found);
  const bool in_order = gateway->stream == nullptr && gateway->outbox.bytes() == 0;
  {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_LOGGER_CALL(spdlog::default_logger_raw(), in_order ? spdlog::level::info : spdlog::level::warn,
                       "gateway {:x} is given up: {}; {} bytes unacknowledged", id, why,
                       gateway->outbox.bytes());
  }
  if (gateway->stream != nullptr) {
    gateway->stream->set_context(nullptr);
    if (gateway->stream->Busy()) {
      gateway->stream->Abort();
    } else {
      gateway->stream->End(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, why));
    }
    gateway->stream.reset();
  }
  Legacy* const legacy = Bequeath(gateway.get());
  ArmGraceTimer();
  for (PendingRecall& recall : gateway->recalls) {
    const uint64_t connection = recall.closed.handle;
    FinishRecall(std::move(recall), TakeBack(legacy, connection));
  }
  std::erase(given_up_, id);
  given_up_.push_back(id);
  if (given_up_.size() > kMaxGivenUp) given_up_.pop_front();
  ForgetFences(gateway.get());
  std::vector<std::string> owed;
  if (legacy != nullptr)
    owed.assign(legacy->returns.back().hubs().begin(), legacy->returns.back().hubs().end());
  receiver_->OnGatewayGone(id, owed);
  for (const auto& [batch, settlement] : gateway->awaiting) Advance(settlement);
  // What was delivered, but was to be settled behind others: nobody will be told so any more.
  for (const Taken& taken : gateway->taken) {
    for (const auto& settlement : taken.tracked) {
      if (settlement->awaited == 0 && !settlement->ignored) TellForget(*settlement);
    }
  }
}

void LaneLinks::WantFlush(Gateway* gateway) {
  if (!std::exchange(gateway->flush_wanted, true)) to_flush_.push_back(gateway->id);
}

void LaneLinks::WantNotes() {
  if (!ev_is_active(&notes_timer_)) ev_timer_again(loop_, &notes_timer_);
}

void LaneLinks::NotesAreDue() {
  ev_timer_stop(loop_, &notes_timer_);
  for (const auto& [id, gateway] : gateways_) {
    if (!gateway->outbox.has_notes()) continue;
    gateway->notes_due = true;
    WantFlush(gateway.get());
  }
}

void LaneLinks::Flush() {
  if (fence_wanted_ != nullptr) SendFences(std::exchange(fence_wanted_, nullptr));
  while (!to_flush_.empty()) {  // where one is given up, more is said to others
    flushing_.swap(to_flush_);
    for (const GatewayId id : flushing_) {
      Gateway* gateway = Find(id);
      if (gateway == nullptr) continue;
      gateway->flush_wanted = false;
      FlushGateway(gateway);
    }
    flushing_.clear();
  }
}

void LaneLinks::FlushGateway(Gateway* gateway) {
  Outbox& outbox = gateway->outbox;
  if (IsTooSlow(*gateway)) return GiveUp(gateway->id, "it acknowledges too little of what it is sent");
  const bool waits = outbox.has_unacknowledged() || outbox.has_notes();
  if (waits && !ev_is_active(&silence_timer_)) ev_timer_again(loop_, &silence_timer_);
  if (gateway->stream == nullptr) return;
  if (!gateway->owned_unsaid.empty() && !gateway->stream->Busy()) TellOwned(gateway);
  if (!gateway->owned_unsaid.empty()) return;  // nothing that was done as an owner before it
  if (!gateway->looks.empty() && !gateway->stream->Busy()) TellLooks(gateway);
  // A short write may be over before the next look: hence a loop, or nobody would say that the rest can go.
  while ((outbox.has_deliveries() || (gateway->notes_due && outbox.has_notes())) &&
         !gateway->stream->Busy()) {
    gateway->stream->Write(outbox.Next());
    ++messages_sent_;
    gateway->notes_due &= outbox.has_notes();
  }
}

// --- Ownership.

void LaneLinks::Own(const std::vector<ShardEpoch>& shards) {
  for (const auto& [shard, epoch] : shards) {
    const size_t i = shard / lanes_;
    if (owned_.size() <= i) owned_.resize(i + 1);
    owned_[i] = epoch;
    for (const auto& [id, gateway] : gateways_) {
      if (gateway->stream != nullptr) gateway->owned_unsaid.insert(shard);
    }
  }
  for (const auto& [id, gateway] : gateways_) WantFlush(gateway.get());
}

void LaneLinks::SetCommits(ShardId shard, uint64_t commits) {
  const size_t i = shard / lanes_;
  if (commits_.size() <= i) commits_.resize(i + 1);
  commits_[i] = commits;
}

uint64_t LaneLinks::CommitsOf(ShardId shard) const {
  const size_t i = shard / lanes_;
  return i < commits_.size() ? commits_[i] : 0;
}

void LaneLinks::Disown(const std::vector<ShardId>& shards) {
  for (const ShardId shard : shards) {
    const size_t i = shard / lanes_;
    if (i < owned_.size()) owned_[i] = 0;
    for (const auto& [id, gateway] : gateways_) {
      if (i < gateway->taken.size()) gateway->taken[i] = {};
    }
  }
}

uint32_t LaneLinks::OwnedEpoch(ShardId shard) const {
  const size_t i = shard / lanes_;
  return i < owned_.size() ? owned_[i] : 0;
}

void LaneLinks::AddOwned(ShardId shard, link::ToGateway* message) const {
  link::Owned* owned = message->add_owned();
  owned->set_shard(shard);
  owned->set_epoch(OwnedEpoch(shard));
  owned->set_commits(CommitsOf(shard));
}

void LaneLinks::TellOwned(Gateway* gateway) {
  link::ToGateway message;
  for (const ShardId shard : std::exchange(gateway->owned_unsaid, {})) {
    if (OwnedEpoch(shard) != 0) AddOwned(shard, &message);
  }
  if (message.owned_size() == 0) return;
  gateway->stream->Write(ToBuffer(message));
  ++messages_sent_;
}

// --- Looks.

void LaneLinks::TakeQuestions(Gateway* gateway) {
  for (const link::LookAt& question : std::exchange(*incoming_.mutable_look_at(), {})) {
    const auto answer = [this, alive = std::weak_ptr(alive_), id = gateway->id,
                         number = question.number()](link::Look look) {
      if (alive.expired()) return;
      Gateway* const asker = Find(id);
      if (asker == nullptr || asker->stream == nullptr) return;
      look.set_number(number);
      asker->looks.push_back(std::move(look));
      WantFlush(asker);
    };
    receiver_->OnLookAt(question.hub(), question.sleep(), answer);
  }
}

void LaneLinks::TellLooks(Gateway* gateway) {
  link::ToGateway message;
  for (link::Look& look : std::exchange(gateway->looks, {})) *message.add_looks() = std::move(look);
  gateway->stream->Write(ToBuffer(message));
  ++messages_sent_;
}

void LaneLinks::Quiesce(const std::vector<ShardEpoch>& shards, std::function<void()> done) {
  const bool any_linked = std::any_of(gateways_.begin(), gateways_.end(),
                                      [](const auto& each) { return each.second->stream != nullptr; });
  if (!any_linked || shards.empty()) return done();
  if (fence_wanted_ == nullptr) fence_wanted_ = std::make_shared<Fence>();
  fence_wanted_->shard = shards.front();
  fence_wanted_->done.push_back(std::move(done));
}

void LaneLinks::SendFences(const std::shared_ptr<Fence>& fence) {
  for (const auto& [id, gateway] : gateways_) {
    if (gateway->stream == nullptr) continue;
    AppendDelivery({.kind = DeliveryKind::kFence,
                    .shard = fence->shard.shard,
                    .epoch = fence->shard.epoch,
                    .cause = {},
                    .recipients = {},
                    .payload = {}},
                   gateway->outbox.deliveries());
    gateway->fences.emplace_back(gateway->outbox.Filled(), fence);
    ++fence->awaited;
    WantFlush(gateway.get());
  }
  if (fence->awaited > 0) return;
  for (const auto& done : fence->done) done();
}

void LaneLinks::Passed(const std::shared_ptr<Fence>& fence) {
  if (--fence->awaited > 0) return;
  if (!std::exchange(fence->second, true)) return SendFences(fence);
  for (const auto& done : fence->done) done();
}

void LaneLinks::FinishFences(Gateway* gateway) {
  while (!gateway->fences.empty() && gateway->fences.front().first <= gateway->outbox.acknowledged()) {
    const std::shared_ptr<Fence> fence = std::move(gateway->fences.front().second);
    gateway->fences.pop_front();
    Passed(fence);
  }
}

void LaneLinks::ForgetFences(Gateway* gateway) {
  for (const auto& [batch, fence] : std::exchange(gateway->fences, {})) Passed(fence);
}

// --- Releasing.

void LaneLinks::Release(EventOutput event) {
  std::erase_if(event.outputs, [&](const Output& output) {
    if (!IsTooLarge(output)) return false;
    SPDLOG_ERROR("A message of {} bytes is too large to be sent", output.payload.size());
    return true;
  });
  part_count_ = 0;
  // The usual event answers its own gateway only: its last delivery says that this is all, and nothing is
  // tracked.
  Taken* taken = TakenOf(event.cause, event.epoch);
  if (taken != nullptr) TellCommits(event, taken);
  const bool after_tracked = taken != nullptr && !taken->tracked.empty();
  const bool alone = event.cause.IsEvent() && !after_tracked && !ReachesOthers(event);
  const size_t last = alone ? LastFor(event.cause.gateway, event) : 0;
  for (size_t i = 0; i < event.outputs.size(); ++i) Append(event, event.outputs[i], alone && i == last);
  if (!alone) {
    Track(&event);
  } else if (part_count_ == 0) {
    if (Gateway* own = Find(event.cause.gateway)) {
      own->outbox.AddSettled(event.cause.shard, event.epoch, event.cause.sequence);
      WantNotes();
    }
  }
}

void LaneLinks::TellCommits(const EventOutput& event, Taken* taken) {
  const uint64_t commits = CommitsOf(event.shard);
  if (std::exchange(taken->commits, commits) == commits || event.shard != event.cause.shard) return;
  Find(event.cause.gateway)->outbox.AddDurable(event.shard, event.epoch, commits);
}

bool LaneLinks::ReachesOthers(const EventOutput& event) {
  GatewayId absent = event.cause.gateway;  // known to be no reason; the last one looked up, too
  const auto is_other = [&](GatewayId id) {
    if (id == event.cause.gateway || id == absent) return false;
    absent = id;
    return FindPresent(id) != nullptr;
  };
  for (const Output& output : event.outputs) {
    for (const Output::To& to : output.to) {
      if (is_other(to.connection.gateway)) return true;
    }
    for (const GatewayId id : output.also_to) {
      if (is_other(id)) return true;
    }
  }
  return false;
}

size_t LaneLinks::LastFor(GatewayId id, const EventOutput& event) {
  for (size_t i = event.outputs.size(); i-- > 0;) {
    for (const Output::To& to : event.outputs[i].to) {
      if (to.connection.gateway == id) return i;
    }
    for (const GatewayId also : event.outputs[i].also_to) {
      if (also == id) return i;
    }
  }
  return event.outputs.size();
}

LaneLinks::Part* LaneLinks::PartFor(GatewayId id) {
  for (size_t i = 0; i < part_count_; ++i) {
    if (parts_[i].gateway->id == id) return &parts_[i];
  }
  Gateway* gateway = FindPresent(id);
  if (gateway == nullptr) return nullptr;
  if (part_count_ == parts_.size()) parts_.emplace_back();
  Part* part = &parts_[part_count_++];
  part->gateway = gateway;
  part->index = 0;
  return part;
}

void LaneLinks::Append(const EventOutput& event, const Output& output, bool final) {
  // Recipients of one gateway mostly come in a row.
  GatewayId last = 0;
  Part* part = nullptr;
  for (const Output::To& to : output.to) {
    if (part == nullptr || to.connection.gateway != last) {
      last = to.connection.gateway;
      part = PartFor(last);
    }
    if (part == nullptr) continue;
    part->wanted = true;
    part->recipients.push_back({to.connection.handle, to.head});
  }
  for (const GatewayId id : output.also_to) {
    if (Part* also = PartFor(id)) also->wanted = true;
  }
  for (size_t i = 0; i < part_count_; ++i) {
    if (!std::exchange(parts_[i].wanted, false)) continue;
    Outbox& outbox = parts_[i].gateway->outbox;
    AppendDelivery({.kind = output.kind,
                    .final = final,
                    .shard = event.shard,
                    .epoch = event.epoch,
                    .cause = event.cause,
                    .index = parts_[i].index++,
                    .return_to = output.return_to,
                    .recipients = parts_[i].recipients,
                    .has_heads = output.has_heads,
                    .payload = output.payload},
                   outbox.deliveries());
    if (!output.return_to.empty()) outbox.MarkReturnable();
    parts_[i].batch = outbox.Filled();
    parts_[i].recipients.clear();
    WantFlush(parts_[i].gateway);
  }
}

// --- Recalling.

void LaneLinks::Recall(const ConnectionId& closed, ShardId shard, uint32_t epoch, Recalled done) {
  std::vector<std::string> frames;
  if (const auto legacy = legacies_.find(closed.gateway); legacy != legacies_.end()) {
    frames = TakeBack(legacy->second.get(), closed.handle);
  }
  Gateway* gateway = Find(closed.gateway);
  if (gateway != nullptr && gateway->stream != nullptr) {
    return AskBack(gateway, {0, closed, shard, epoch, std::move(frames), std::move(done)});
  }
  if (gateway == nullptr) return done(std::move(frames));
  FinishRecall({0, closed, shard, epoch, std::move(frames), std::move(done)},
               ReturnsOf(gateway)->Take(&gateway->outbox, closed.handle));
  WantFlush(gateway);  // the index takes memory
}

void LaneLinks::AskBack(Gateway* gateway, PendingRecall recall) {
  // A close of what is closed: it changes nothing, and when it is acknowledged all before it has met the
  // connection's end.
  const Recipient recipient{recall.closed.handle, {}};
  const std::string payload = ClosePayload(kGoingAway, "The connection was given up");
  AppendDelivery({.kind = DeliveryKind::kClose,
                  .shard = recall.shard,
                  .epoch = recall.epoch,
                  .cause = {},
                  .recipients = {&recipient, 1},
                  .payload = payload},
                 gateway->outbox.deliveries());
  recall.batch = gateway->outbox.Filled();
  gateway->recalls.push_back(std::move(recall));
  WantFlush(gateway);
}

ReturnIndex* LaneLinks::ReturnsOf(Gateway* gateway) {
  if (gateway->returns == nullptr) gateway->returns = std::make_unique<ReturnIndex>();
  return gateway->returns.get();
}

void LaneLinks::FinishRecalls(Gateway* gateway) {
  while (!gateway->recalls.empty() && gateway->recalls.front().batch <= gateway->outbox.acknowledged()) {
    PendingRecall recall = std::move(gateway->recalls.front());
    gateway->recalls.pop_front();
    recall.done(std::move(recall.frames));
  }
}

void LaneLinks::FinishRecall(PendingRecall recall, std::vector<std::string> frames) {
  for (std::string& frame : frames) recall.frames.push_back(std::move(frame));
  recall.done(std::move(recall.frames));
}

LaneLinks::Legacy* LaneLinks::Bequeath(Gateway* gateway) {
  ReturnIndex index;
  if (gateway->returns != nullptr) index = std::move(*gateway->returns);
  const bool all = index.Absorb(std::move(gateway->outbox), config_.gateway_buffer);
  if (!all) {
    SPDLOG_ERROR("Of what gateway {:x} was sent and could be returned only {} bytes are kept", gateway->id,
                 index.bytes());
  }
  const auto found = legacies_.find(gateway->id);
  if (index.bytes() == 0) return found == legacies_.end() ? nullptr : found->second.get();
  std::unique_ptr<Legacy>& legacy = legacies_[gateway->id];
  if (legacy == nullptr) legacy = std::make_unique<Legacy>();
  legacy->end_ms = SteadyMs() + config_.gateway_grace.count();
  legacy->returns.push_back(std::move(index));
  while (legacy->returns.size() > 1 && legacy->bytes() > config_.gateway_buffer) {
    SPDLOG_ERROR("Gateway {:x} is given up again: {} bytes that it was sent before can be returned no more",
                 gateway->id, legacy->returns.front().bytes());
    legacy->returns.erase(legacy->returns.begin());
  }
  return legacy.get();
}

std::vector<std::string> LaneLinks::TakeBack(Legacy* legacy, uint64_t connection) {
  std::vector<std::string> frames;
  if (legacy == nullptr) return frames;
  for (ReturnIndex& index : legacy->returns) {
    for (std::string& frame : index.Take(connection)) frames.push_back(std::move(frame));
  }
  return frames;
}

bool LaneLinks::IsReturnedTwice(const Gateway& gateway, const EventView& event) {
  if (gateway.returns != nullptr && gateway.returns->WasTaken(event.connection, event.payload)) return true;
  const auto legacy = legacies_.find(gateway.id);
  if (legacy == legacies_.end()) return false;
  std::vector<ReturnIndex>& returns = legacy->second->returns;
  return std::any_of(returns.begin(), returns.end(),
                     [&](ReturnIndex& index) { return index.WasTaken(event.connection, event.payload); });
}

// --- Settling.

LaneLinks::Taken* LaneLinks::TakenOf(const Cause& cause, uint32_t epoch) {
  Gateway* own = cause.IsEvent() ? Find(cause.gateway) : nullptr;
  if (own == nullptr || own->taken.size() <= cause.shard / lanes_) return nullptr;
  Taken* taken = &own->taken[cause.shard / lanes_];
  return taken->epoch == epoch ? taken : nullptr;
}

void LaneLinks::Track(EventOutput* event) {
  auto settlement = std::make_shared<Settlement>();
  settlement->cause = event->cause;
  settlement->shard = event->shard;
  settlement->epoch = event->epoch;
  settlement->acknowledged = std::move(event->acknowledged);
  for (size_t i = 0; i < part_count_; ++i) {
    Gateway* gateway = parts_[i].gateway;
    // What the own gateway got is there before it learns that the event is settled: it comes on the same
    // stream.
    if (event->cause.IsEvent() && gateway->id == event->cause.gateway) continue;
    settlement->foreign.push_back(gateway->id);
    gateway->awaiting.emplace_back(parts_[i].batch, settlement);
  }
  settlement->awaited = static_cast<uint32_t>(settlement->foreign.size());
  if (Taken* taken = TakenOf(event->cause, event->epoch)) taken->tracked.push_back(settlement);
  if (settlement->awaited == 0) Settle(settlement);
}

bool LaneLinks::OnAcknowledged(Gateway* gateway, uint64_t through) {
  if (through <= gateway->outbox.acknowledged()) return true;
  if (!gateway->outbox.Acknowledge(through)) return false;
  auto& awaiting = gateway->awaiting;
  while (!awaiting.empty() && awaiting.front().first <= through) {
    const std::shared_ptr<Settlement> settlement = std::move(awaiting.front().second);
    awaiting.pop_front();
    const auto stale = gateway->stale.find(settlement->shard);
    if (stale != gateway->stale.end() && settlement->epoch < stale->second) settlement->ignored = true;
    Advance(settlement);
  }
  return true;
}

void LaneLinks::Advance(const std::shared_ptr<Settlement>& settlement) {
  if (--settlement->awaited == 0) Settle(settlement);
}

void LaneLinks::Settle(const std::shared_ptr<Settlement>& settlement) {
  if (!settlement->cause.IsEvent()) {
    const bool owned = OwnedEpoch(settlement->shard) == settlement->epoch;
    if (owned && !settlement->ignored && settlement->acknowledged) settlement->acknowledged();
    return;
  }
  Gateway* own = Find(settlement->cause.gateway);
  if (settlement->phase == Settlement::Phase::kDelivering && own != nullptr) {
    if (Taken* taken = TakenOf(settlement->cause, settlement->epoch)) TellSettled(own, taken);
  } else if (!settlement->ignored) {
    TellForget(*settlement);
  }
}

void LaneLinks::TellSettled(Gateway* own, Taken* taken) {
  while (!taken->tracked.empty() && taken->tracked.front()->awaited == 0) {
    const std::shared_ptr<Settlement> settlement = std::move(taken->tracked.front());
    taken->tracked.pop_front();
    if (settlement->ignored) continue;
    settlement->phase = Settlement::Phase::kTelling;
    settlement->awaited = 1;
    const Cause& cause = settlement->cause;
    own->awaiting.emplace_back(own->outbox.AddSettled(cause.shard, settlement->epoch, cause.sequence),
                               settlement);
    WantNotes();
  }
}

void LaneLinks::TellForget(const Settlement& settlement) {
  const Cause& cause = settlement.cause;
  const Taken* taken = TakenOf(cause, settlement.epoch);
  const uint64_t below = taken == nullptr ? 0 : taken->first;
  for (const GatewayId id : settlement.foreign) {
    if (Gateway* gateway = Find(id)) {
      gateway->outbox.AddForget(cause.gateway, cause.shard, cause.sequence, below);
    }
  }
  WantNotes();
}

}  // namespace dormouse
