#include "statekeeper/runtime/hub/awake_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <utility>

#include "common/clock.h"
#include "common/log_limit.h"
#include "common/logging.h"
#include "common/trace_context.h"
#include "statekeeper/runtime/hub/over_limit.h"

namespace dormouse {
namespace {

// RFC 6455, 7.4.1, and the registry it founded.
constexpr uint16_t kGoingAway = 1001;
constexpr uint16_t kGoneAbnormally = 1006;
constexpr uint16_t kInternalError = 1011;
constexpr uint16_t kTryAgainLater = 1013;

constexpr uint32_t kAlarmRetries = 6;
constexpr int64_t kFirstAlarmRetryMs = 2000;
constexpr int64_t kStoreRetryMs = 1000;
// Connections of a vanished gateway that are ended in one go.
constexpr size_t kGoneAtOnce = 64;
// Events of one hub, and their time, after which other hubs get a turn, and rows: those of a turn are one
// commit, which must not hold up the store (half a millisecond of Redis).
constexpr int kEventsPerTurn = 64;
constexpr int64_t kTurnMs = 5;
constexpr size_t kRowsPerTurn = 200;
// Written and not yet durable, of one hub: no event begins beyond that.
constexpr size_t kMaxBytesInFlight = 1u << 20;

constexpr std::string_view kClosedByOperator = "Going Away";

Message MessageOf(const HubEvent& event) {
  return {.data = event.payload,
          .binary = event.kind == HubEvent::Kind::kBinary,
          .received_ms = event.last_seen_ms,
          .repeated = event.repeated};
}

// The options that an event can go beyond.
constexpr std::pair<Hub::Failure, const char*> kOptions[] = {
    {Hub::Failure::kStateFull, "max-state"},          {Hub::Failure::kOverBudget, "handler-budget"},
    {Hub::Failure::kTooMuchOutput, "max-output"},     {Hub::Failure::kTooManyChanges, "max-changes"},
    {Hub::Failure::kOverAllowance, "connection-cpu"},
};

// A store that refuses everything would fill the log.
void LogRefusedChange(const std::string& hub, size_t events) {
  static LogLimit limit;
  uint64_t left_out = 0;
  if (!limit.Take(&left_out)) return;
  const LogAbout about({.hub = hub});
  SPDLOG_WARN("a commit failed; {} events are taken back{}", events,
              left_out == 0 ? "" : fmt::format(" ({} more such commits were not noted)", left_out));
}

// What clients and the hub class's alarm do keeps a hub awake; what the runtime does about it does not.
bool IsActivity(HubEvent::Kind kind) {
  return kind == HubEvent::Kind::kAlarm || kind == HubEvent::Kind::kCloseAll || kind <= HubEvent::Kind::kLost;
}

// The trace in which a client opened its socket; empty: none that was said.
std::string_view TraceOf(const link::OpenRequest& request) {
  for (const link::OpenRequest::Header& header : request.headers()) {
    if (header.name() != kTraceParent) continue;
    const auto context = TraceContext::Parse(header.value());
    return context ? context->trace_id : "";
  }
  return "";
}

std::optional<ConnectionId> ConnectionOf(const HubEvent& event) {
  return event.IsFromGateway() ? std::optional(event.connection()) : std::nullopt;
}

int64_t SteadyUs() {
  using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::steady_clock;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

// Handled without the hub class.
bool IsRuntimesOwn(HubEvent::Kind kind) {
  switch (kind) {
    case HubEvent::Kind::kRollCall:
    case HubEvent::Kind::kNoteSuspect:
    case HubEvent::Kind::kClearSuspect:
    case HubEvent::Kind::kNoteGivenUp:
      return true;
    default:
      return false;
  }
}

}  // namespace

AwakeHub::AwakeHub(std::string name, const ShardEpoch& shard, const HubClass* hub_class, HubHost* host)
    : name_(std::move(name)),
      shard_(shard),
      hub_class_(hub_class),
      host_(host),
      clock_([host] { host->Yield(); }),
      allowances_(host->limits().connection_cpu),
      state_({name_, host->reap_interval()}, host->store(), host->fibers(), &clock_),
      surroundings_{name_, &state_, &clock_, [this] { return queue_.size(); }, &host->limits()},
      idle_since_ms_(SteadyMs()),
      awake_since_us_(SteadyUs()) {}

AwakeHub::~AwakeHub() = default;

void AwakeHub::Deliver(HubEvent event) {
  if (deposed_) return;
  queue_.push_back(std::move(event));
  Pump();
}

void AwakeHub::DeliverSoon(HubEvent event) {
  if (deposed_) return;
  queue_.push_back(std::move(event));
  if (!running_ && !waits_) WaitFor(state_.loaded() ? WaitingLine::kReady : LineForRoom());
}

void AwakeHub::Start(std::vector<HubEvent> events, bool may_wait) {
  std::move(events.begin(), events.end(), std::back_inserter(queue_));
  Run(may_wait);
}

void AwakeHub::Run(bool may_wait) {
  waits_ = false;
  state_.set_may_wait(may_wait);
  Pump();
  if (!running_) state_.set_may_wait(true);
}

void AwakeHub::Pump() {
  if (deposed_ || suspended_ || running_ || waits_ ||
      (queue_.empty() && questions_.empty() && !commit_failed_))
    return;
  FiberPool* const fibers = host_->fibers();
  if (!state_.loaded() && state_.may_wait() && !fibers->MaySuspend()) return WaitFor(LineForRoom());
  if (!fibers->MayRun()) return WaitFor(WaitingLine::kReady);
  running_ = true;
  fibers->Run([self = shared_from_this()] { self->RunQueue(); });
}

void AwakeHub::WaitFor(WaitingLine line) {
  waits_ = true;
  host_->RunSoon(shared_from_this(), line);
}

WaitingLine AwakeHub::LineForRoom() const {
  if (queue_.empty() || !questions_.empty()) return WaitingLine::kOwn;
  const WaitingLine line = LineOf(queue_.front());
  // This hub is in memory already; and it may be whose turn it is.
  return line == WaitingLine::kSuspect ? WaitingLine::kReplayed : line;
}

void AwakeHub::RunQueue() {
  std::optional<WaitingLine> wait;
  int handled = 0;
  int64_t end_ms = 0;  // the first may have waited for the store
  while (!deposed_ && !suspended_ && !wait) {
    if (commit_failed_) FailInFlight();
    if (!questions_.empty()) {
      if (host_->fibers()->MaySuspend()) {
        AnswerQuestion();
      } else {
        wait = LineForRoom();
      }
      continue;
    }
    if (queue_.empty()) break;
    const bool turn_over = handled > 1 && (handled == kEventsPerTurn || SteadyMs() >= end_ms);
    if (turn_over || pending_rows_.size() >= kRowsPerTurn) {
      wait = WaitingLine::kReady;
      continue;
    }
    // OnCommitted goes on.
    if (bytes_in_flight_ >= kMaxBytesInFlight || !MayBegin() || AwaitsNewClass()) break;
    if (handled++ == 1) end_ms = SteadyMs() + kTurnMs;
    HubEvent event = std::move(queue_.front());
    queue_.pop_front();
    const Handled outcome = Handle(std::move(event));
    if (outcome == Handled::kCrowded) wait = LineForRoom();
    if (outcome == Handled::kYes && wake_us_ == 0) {
      wake_us_ = std::max<int64_t>(1, SteadyUs() - awake_since_us_);
      host_->CountWake(wake_us_);
    }
  }
  running_ = false;
  state_.set_may_wait(true);
  if (deposed_) return;
  if (std::exchange(was_active_, false)) {
    stays_awake_ = true;
    idle_since_ms_ = SteadyMs();
    host_->Touch(this);
  }
  if (wait) WaitFor(*wait);
  SleepIfDrowsy();
}

void AwakeHub::SleepIfDrowsy() {
  if (IsDrowsy() && CanSleep()) host_->SleepSoon(shared_from_this());
}

void AwakeHub::Load() {
  state_.Load();
  if (state_.meta().restoring() != 0) {
    // What is there is not all of it: as if the store were away.
    state_.Unload();
    throw StoreAway();
  }
  LearnSuspicion();
  QueueRollCalls();
  for (HubEvent& gone : GoneGateways()) queue_.push_front(std::move(gone));
}

HubContext AwakeHub::NewContext(HubContext::Access access) {
  return HubContext(surroundings_, WallMs(), access);
}

void AwakeHub::EnsureHub() {
  if (hub_ != nullptr) return;
  clock_.Begin({});
  std::unique_ptr<Hub> hub = hub_class_->NewHub();
  HubContext context = NewContext(HubContext::Access::kReadOnly);
  hub->OnWake(context);
  hub_ = std::move(hub);
}

bool AwakeHub::MustWaitForUnsettled(const HubEvent& event) const {
  return !unsettled_.empty() && (event.IsReturn() || event.kind == HubEvent::Kind::kRecalled);
}

void AwakeHub::ChangeClass(const HubClass* changed) { next_class_ = changed; }

bool AwakeHub::AwaitsNewClass() {
  // What it has asked gateways may take long, and its answers are for the object that asked.
  if (next_class_ == nullptr || open_questions_ > 0) return false;
  if (!in_flight_.empty()) return true;
  hub_class_ = std::exchange(next_class_, nullptr);
  hub_.reset();
  allowances_ = Allowances(host_->limits().connection_cpu);
  return false;
}

AwakeHub::Handled AwakeHub::Handle(HubEvent event) {
  if (MustWaitForUnsettled(event)) {
    unsettled_.push_back(std::move(event));
    return Handled::kYes;
  }
  if (stale_ && in_flight_.empty() && host_->store()->healthy()) {
    state_.Unload();
    hub_.reset();
    stale_ = false;
  }
  if (state_.IsLarge() && in_flight_.empty() && pending_rows_.empty()) state_.Unload();
  if (event.IsMessage() && !allowances_.empty() && !IsSuspect(event) && RefuseForCost(&event)) {
    return Handled::kYes;
  }
  HubContext context = NewContext(HubContext::Access::kReadWrite);
  std::optional<Hub::Failure> failure;
  state_.TakeCrowded();
  try {
    if (!state_.loaded()) {
      clock_.Begin({});
      Load();
      if (!queue_.empty() && queue_.front().kind == HubEvent::Kind::kGatewayGone &&
          event.kind != HubEvent::Kind::kNoteSuspect) {
        // First what happened while the hub slept, then what woke it.
        const auto woke = std::find_if(queue_.begin(), queue_.end(), [](const HubEvent& each) {
          return each.kind != HubEvent::Kind::kGatewayGone;
        });
        queue_.insert(woke, std::move(event));
        return Handled::kPutBack;
      }
      if (IsSuspect(event) && suspicion_ != Suspicion::kNoted) {
        queue_.push_front(std::move(event));
        return Handled::kPutBack;
      }
    }
    bool gave_up = false;
    if (IsCondemned(event, &gave_up)) {
      was_active_ = true;
      if (IsSuspect(event) || gave_up) EndSuspect(gave_up);
      Fail(std::move(event), Hub::Failure::kPoison);
      return Handled::kYes;
    }
    if (!IsRuntimesOwn(event.kind)) EnsureHub();
    clock_.Begin(host_->limits().handler_budget);
    Dispatch(event, &context);
    clock_.LiftBudget();
    if (!state_.CountState(host_->limits().max_state)) failure = Hub::Failure::kStateFull;
  } catch (const StoreAway&) {
    failure = Hub::Failure::kStore;
  } catch (const OverLimit& over) {
    failure = over.failure();
  } catch (const std::exception& error) {
    link::OpenRequest request;
    if (event.kind == HubEvent::Kind::kOpen) request.ParseFromString(event.payload);
    const LogAbout about(
        {.shard = shard_.shard, .hub = name_, .connection = ConnectionOf(event), .trace = TraceOf(request)});
    SPDLOG_ERROR("a handler failed: {}", error.what());
    failure = Hub::Failure::kHandler;
  }
  if (context.over_limit()) failure = context.over_limit();
  const HandlerClock::Time used = clock_.End();
  if (event.IsMessage()) {
    if (allowances_.Counts(used))
      allowances_.Charge(event.connection(), used, clock_.began(), HandlerClock::Clock::now());
  } else if (event.kind == HubEvent::Kind::kClose) {
    allowances_.Forget(event.connection());
  }
  if (state_.TakeCrowded() && !deposed_) {
    RevertOpenChange();
    hub_.reset();
    queue_.push_front(std::move(event));
    return Handled::kCrowded;
  }
  if (deposed_) return Handled::kYes;
  if (IsSuspect(event)) EndSuspect(false);
  was_active_ = was_active_ || failure || (IsActivity(event.kind) && context.stays_awake());
  if (failure) {
    NoteLimit(*failure);
    clock_.Begin({});
    RevertOpenChange();
    hub_.reset();
    Fail(std::move(event), *failure);
  } else {
    Complete(std::move(event), &context);
  }
  return Handled::kYes;
}

bool AwakeHub::RefuseForCost(HubEvent* event) {
  const auto now = HandlerClock::Clock::now();
  const auto wait = allowances_.Wait(event->connection(), now);
  if (wait == wait.zero()) return false;
  was_active_ = true;
  NoteLimit(Hub::Failure::kOverAllowance);
  const ConnectionId connection = event->connection();
  clock_.Begin({});
  Fail(std::move(*event), Hub::Failure::kOverAllowance,
       std::chrono::duration_cast<std::chrono::milliseconds>(wait).count());
  const HandlerClock::Time used = clock_.End();
  allowances_.Charge(connection, used, clock_.began(), HandlerClock::Clock::now());
  return true;
}

void AwakeHub::NoteLimit(Hub::Failure why) {
  for (const auto& [limit, option] : kOptions) {
    if (limit != why || !noted_limits_.insert(why).second) continue;
    const LogAbout about({.shard = shard_.shard, .hub = name_});
    SPDLOG_WARN("an event goes beyond {} and is refused; others like it will not be noted", option);
  }
}

void AwakeHub::Dispatch(const HubEvent& event, HubContext* context) {
  switch (event.kind) {
    case HubEvent::Kind::kOpen:
      return HandleOpen(event, context);
    case HubEvent::Kind::kText:
    case HubEvent::Kind::kBinary:
      return HandleMessage(event, context);
    case HubEvent::Kind::kClose:
      return HandleClose(event, context);
    case HubEvent::Kind::kPause:
    case HubEvent::Kind::kResume:
      return HandleBackpressure(event, context);
    case HubEvent::Kind::kUndelivered:
      return hub_->OnUndelivered(*context, event.connection(), Message::ReturnableText(event.payload));
    case HubEvent::Kind::kUnconfirmed: {
      Message message = Message::ReturnableText(event.payload);
      message.unconfirmed = true;
      return hub_->OnUndelivered(*context, event.connection(), message);
    }
    case HubEvent::Kind::kLost:
      if (Lost lost; ReadLostPayload(event.payload, &lost)) hub_->OnLost(*context, event.connection(), lost);
      return;
    case HubEvent::Kind::kPresent:
      // The hub may be new to the store, so that it has called no roll; and that connection may be closing.
      if (event.payload == kAskForRoll) return QueueRollCall(event.gateway);
      return HandlePresent(event, context);
    case HubEvent::Kind::kAlarm:
      return HandleAlarm(context);
    case HubEvent::Kind::kAlarmSettled:
      if (event.alarm_generation == alarm_generation_) state_.SetAlarm(event.alarm_after);
      return;
    case HubEvent::Kind::kGatewayGone:
      return HandleGatewayGone(event, context);
    case HubEvent::Kind::kRollCall:
      return HandleRollCall(event, context);
    case HubEvent::Kind::kCloseAll:
      return HandleCloseAll(event, context);
    case HubEvent::Kind::kRecalled:
      return hub_->OnRecalled(*context, event.connection());
    case HubEvent::Kind::kConfirmed:
      return hub_->OnConfirmed(*context, event.connection());
    case HubEvent::Kind::kNoteSuspect:
      return NoteSuspect();
    case HubEvent::Kind::kClearSuspect:
      return state_.ClearBegun();
    case HubEvent::Kind::kNoteGivenUp:
      state_.ClearBegun();
      return state_.SetGivenUp(state_.meta().given_up().count() + 1, context->now_ms());
  }
}

void AwakeHub::HandleOpen(const HubEvent& event, HubContext* context) {
  link::OpenRequest request;
  request.ParseFromString(event.payload);
  {
    const LogAbout about(
        {.shard = shard_.shard, .hub = name_, .connection = event.connection(), .trace = TraceOf(request)});
    SPDLOG_DEBUG("connects");
  }
  state_.AddConnection(event.connection(), context->now_ms());
  const auto connection = state_.FindConnection(event.connection());
  hub_->OnConnect(*context, *connection, request);
}

void AwakeHub::HandleMessage(const HubEvent& event, HubContext* context) {
  const auto connection = state_.FindConnection(event.connection());
  if (connection == nullptr) {
    // Closed by the hub while the frame was on its way, or lost by the store: either way there is no session.
    context->CloseUnknown(event.connection(), kInternalError, "Unknown connection");
    return;
  }
  state_.SawConnection(event.connection(), event.last_seen_ms);
  hub_->OnMessage(*context, *connection, MessageOf(event));
}

void AwakeHub::HandlePresent(const HubEvent& event, HubContext* context) {
  const auto connection = state_.FindConnection(event.connection());
  if (connection == nullptr) {
    context->CloseUnknown(event.connection(), kInternalError, "Unknown connection");
    return;
  }
  state_.SawConnection(event.connection(), event.last_seen_ms);
  hub_->OnSeen(*context, *connection);
}

void AwakeHub::HandleClose(const HubEvent& event, HubContext* context) {
  const auto connection = state_.FindConnection(event.connection());
  if (connection == nullptr) return;
  state_.SawConnection(event.connection(), event.last_seen_ms);
  state_.RemoveConnection(event.connection());
  CloseView close{.code = kGoneAbnormally};
  ReadClosePayload(event.payload, &close);
  {
    const LogAbout about({.shard = shard_.shard, .hub = name_, .connection = event.connection()});
    SPDLOG_DEBUG("is closed ({}{})", close.code, close.by_client ? ", by its client" : "");
  }
  hub_->OnClose(*context, *connection, {close.code, close.by_client, close.reason});
}

void AwakeHub::HandleBackpressure(const HubEvent& event, HubContext* context) {
  const auto connection = state_.FindConnection(event.connection());
  if (connection == nullptr) return;
  Backlog backlog;
  ReadBacklogPayload(event.payload, &backlog);
  hub_->OnBackpressure(*context, *connection, event.kind == HubEvent::Kind::kPause, backlog);
}

void AwakeHub::HandleAlarm(HubContext* context) {
  alarm_delivered_ = true;
  if (state_.IsCheckDue(context->now_ms())) {
    state_.RearmCheck(context->now_ms());
    for (HubEvent& gone : GoneGateways()) queue_.push_back(std::move(gone));
  } else if (!state_.IsAlarmDue(context->now_ms())) {
    state_.ReindexAlarm();  // the index was wrong
  }
  if (state_.IsAlarmDue(context->now_ms())) {
    context->DeferAlarm();
    hub_->OnAlarm(*context);
  } else {
    context->DoNotStayAwake();
  }
}

std::vector<HubEvent> AwakeHub::GoneGateways() const {
  std::vector<HubEvent> out;
  for (const GatewayId gateway : state_.Gateways()) {
    if (host_->IsPresent(gateway)) continue;
    HubEvent gone;
    gone.kind = HubEvent::Kind::kGatewayGone;
    gone.gateway = gateway;
    out.push_back(std::move(gone));
  }
  return out;
}

void AwakeHub::HandleGatewayGone(const HubEvent& event, HubContext* context) {
  if (host_->IsPresent(event.gateway)) return;
  EndConnections(event, [&](const Connection& connection) {
    hub_->OnClose(*context, connection, {kGoneAbnormally, false, ""});
  });
}

void AwakeHub::EndConnections(const HubEvent& gone, const std::function<void(const Connection&)>& ended) {
  const std::vector<ConnectionId> ids = state_.ConnectionsOf(gone.gateway, kGoneAtOnce);
  for (const ConnectionId& id : ids) {
    const auto connection = state_.FindConnection(id);
    if (connection == nullptr) continue;
    state_.RemoveConnection(id);
    ended(*connection);
  }
  if (ids.size() == kGoneAtOnce) queue_.push_front(gone);
}

void AwakeHub::HandleCloseAll(const HubEvent& event, HubContext* context) {
  EndConnections(event, [&](const Connection& connection) {
    context->CloseUnknown(connection.id, kGoingAway, kClosedByOperator);
    hub_->OnClose(*context, connection, {kGoneAbnormally, false, ""});
  });
}

// --- The roll call.

void AwakeHub::QueueRollCalls() {
  const uint32_t generation = host_->roll_generation();
  if (!state_.existed()) return state_.SetCalledRoll(shard_.epoch, generation);
  if (state_.HasCalledRoll(shard_.epoch, generation)) return;
  const std::vector<GatewayId> linked = host_->Linked();
  if (linked.empty()) return;  // at the next wake
  std::set<GatewayId> gateways(linked.begin(), linked.end());
  for (const GatewayId gateway : state_.Gateways()) {
    if (host_->IsPresent(gateway)) gateways.insert(gateway);  // it may be about to link
  }
  for (const GatewayId gateway : gateways) QueueRollCall(gateway);
}

void AwakeHub::QueueRollCall(GatewayId gateway) {
  if (!roll_calls_.insert(gateway).second) return;
  HubEvent event;
  event.kind = HubEvent::Kind::kRollCall;
  event.gateway = gateway;
  queue_.push_back(std::move(event));
}

void AwakeHub::CallRoll(GatewayId gateway) {
  if (deposed_) return;
  QueueRollCall(gateway);
  if (!running_ && !waits_) WaitFor(WaitingLine::kReady);
}

void AwakeHub::HandleRollCall(const HubEvent& event, HubContext* context) {
  context->CallRoll(event.gateway, state_.ConnectionsOf(event.gateway, std::numeric_limits<size_t>::max()));
  roll_calls_.erase(event.gateway);
  if (roll_calls_.empty()) state_.SetCalledRoll(shard_.epoch, host_->roll_generation());
}

EventOutput AwakeHub::OutputOf(const HubEvent& event, std::vector<Output> outputs) const {
  EventOutput output;
  if (event.IsFromGateway()) output.cause = {event.gateway, shard_.shard, event.sequence};
  output.shard = shard_.shard;
  output.epoch = shard_.epoch;
  output.outputs = std::move(outputs);
  return output;
}

void AwakeHub::Complete(HubEvent event, HubContext* context) {
  EventOutput output = OutputOf(event, context->TakeOutputs());
  HubContext::Questions questions = context->TakeQuestions();

  if (event.kind == HubEvent::Kind::kAlarm && alarm_delivered_) {
    const bool ran = context->alarm_deferred();
    if (ran && output.outputs.empty()) {
      state_.SetAlarm(context->deferred_alarm());
    } else if (ran) {
      // The alarm stays until its output has arrived, so that a crash in between runs it again.
      HubEvent settled;
      settled.kind = HubEvent::Kind::kAlarmSettled;
      settled.alarm_after = context->deferred_alarm();
      settled.alarm_generation = alarm_generation_;
      output.acknowledged = [weak = weak_from_this(), settled] {
        if (const auto self = weak.lock()) self->Deliver(settled);
      };
    }
  } else if (event.kind != HubEvent::Kind::kAlarmSettled && context->changed_alarm()) {
    ++alarm_generation_;
  }

  HubState::Change change = state_.TakeChange();
  const bool wrote = !change.empty();
  if (wrote && stale_) {
    // Memory may lag behind the store, which is away: nothing may be built on it.
    state_.Revert(std::move(change));
    hub_.reset();
    return Fail(std::move(event), Hub::Failure::kStore);
  }
  if (wrote) {
    size_t bytes = 0;
    for (const RowWrite& write : change.writes)
      bytes += write.key.size() + (write.value ? write.value->size() : 0);
    bytes_in_flight_ += bytes;
    for (RowWrite& write : change.writes)
      pending_rows_.insert_or_assign(std::move(write.key), std::move(write.value));
    if (change.next_due) pending_due_ = change.next_due;
    if (!std::exchange(commit_soon_, true)) host_->CommitSoon(shared_from_this());
    change.writes.clear();
    in_flight_.push_back({next_commit_, true, std::move(event), std::move(output), std::move(questions),
                          std::move(change), bytes});
  } else if (!in_flight_.empty()) {
    in_flight_.push_back(
        {in_flight_.back().commit, false, std::move(event), std::move(output), std::move(questions), {}, 0});
  } else {
    ReleaseOutput(std::move(output), questions, event);
  }
}

void AwakeHub::ReleaseOutput(EventOutput output, const HubContext::Questions& questions,
                             const HubEvent& event) {
  if (deposed_) return;
  // Without output to wait for, a delivered alarm is dealt with as soon as its commit is.
  const bool alarm_done =
      alarm_delivered_ && (event.kind == HubEvent::Kind::kAlarmSettled ||
                           (event.kind == HubEvent::Kind::kAlarm && !output.acknowledged));
  host_->Release(std::move(output));
  if (alarm_done) {
    alarm_delivered_ = false;
    host_->AlarmDone(*this, 0);
  } else if (alarm_delivered_ && event.kind == HubEvent::Kind::kAlarm) {
    host_->AlarmRan(*this);
  }
  if (suspicion_ != Suspicion::kNone) OnNoted(event);
  open_questions_ += questions.recalls.size() + questions.confirms.size();
  for (const ConnectionId& closed : questions.recalls) {
    host_->Recall(closed, shard_, [weak = weak_from_this(), closed](std::vector<std::string> frames) {
      if (const auto self = weak.lock()) self->OnRecalled(closed, std::move(frames));
    });
  }
  for (const ConnectionId& open : questions.confirms) {
    EventOutput fence;
    fence.shard = shard_.shard;
    fence.epoch = shard_.epoch;
    fence.outputs.push_back({DeliveryKind::kFence, {{open, {}}}, false, ""});
    fence.acknowledged = [weak = weak_from_this(), open] {
      if (const auto self = weak.lock()) self->OnConfirmed(open);
    };
    host_->Release(std::move(fence));
  }
}

void AwakeHub::OnConfirmed(const ConnectionId& open) {
  --open_questions_;
  Deliver(HubEvent::About(HubEvent::Kind::kConfirmed, open));
}

void AwakeHub::OnRecalled(const ConnectionId& closed, std::vector<std::string> frames) {
  --open_questions_;
  for (std::string& frame : frames) Deliver(HubEvent::Returned(closed, std::move(frame)));
  Deliver(HubEvent::About(HubEvent::Kind::kRecalled, closed));
}

AwakeHub::PendingCommit AwakeHub::TakeCommit() {
  commit_soon_ = false;
  PendingCommit pending;
  pending.number = next_commit_++;
  pending.commit.hub = name_;
  pending.commit.rows.reserve(pending_rows_.size());
  for (auto& [row, value] : pending_rows_) pending.commit.rows.push_back({row, std::move(value)});
  pending_rows_.clear();
  pending.commit.alarm_due_ms = std::exchange(pending_due_, std::nullopt);
  return pending;
}

void AwakeHub::OnCommitted(uint64_t number, StoreStatus status) {
  if (deposed_ || commit_failed_) return;
  if (status != StoreStatus::kOk) {
    if (in_flight_.empty() || in_flight_.front().commit > number) return;  // taken back already
    LogRefusedChange(name_, in_flight_.size());
    commit_failed_ = true;
    Pump();
    return;
  }
  while (!in_flight_.empty() && in_flight_.front().commit <= number) {
    InFlight done = std::move(in_flight_.front());
    in_flight_.pop_front();
    bytes_in_flight_ -= done.bytes;
    ReleaseOutput(std::move(done.output), done.questions, done.event);
  }
  if (!queue_.empty()) Pump();  // what waited for this commit
  SleepIfDrowsy();
}

void AwakeHub::RevertOpenChange() { state_.Revert(state_.TakeChange()); }

void AwakeHub::FailInFlight() {
  commit_failed_ = false;
  stale_ = true;
  hub_.reset();
  pending_rows_.clear();
  pending_due_.reset();
  std::deque<InFlight> taken_back = std::exchange(in_flight_, {});
  bytes_in_flight_ = 0;
  for (auto it = taken_back.rbegin(); it != taken_back.rend(); ++it) state_.Revert(std::move(it->undo));
  for (auto it = taken_back.rbegin(); it != taken_back.rend(); ++it) {
    if (!it->wrote) queue_.push_front(std::move(it->event));
  }
  for (InFlight& each : taken_back) {
    if (each.wrote) Fail(std::move(each.event), Hub::Failure::kStore);
  }
}

void AwakeHub::Fail(HubEvent event, Hub::Failure why, int64_t retry_after_ms) {
  const bool store_failed = why == Hub::Failure::kStore;
  HubContext context = NewContext(HubContext::Access::kReadOnly);
  context.set_retry_after_ms(retry_after_ms);
  const bool may_wait = state_.may_wait();
  switch (event.kind) {
    case HubEvent::Kind::kOpen:
      if (store_failed) {
        context.CloseUnknown(event.connection(), kTryAgainLater, "The store is not available; try again");
      } else if (why == Hub::Failure::kPoison) {
        context.CloseUnknown(event.connection(), kInternalError, "This hub has failed");
      } else if (why == Hub::Failure::kStateFull) {
        context.CloseUnknown(event.connection(), kInternalError, "The hub's state is full");
      } else {
        context.CloseUnknown(event.connection(), kInternalError, "The hub failed to accept the connection");
      }
      return host_->Release(OutputOf(event, context.TakeOutputs()));
    case HubEvent::Kind::kText:
    case HubEvent::Kind::kBinary:
      state_.set_may_wait(false);
      try {
        const auto connection = state_.loaded() ? state_.FindConnection(event.connection()) : nullptr;
        const Connection unknown{event.connection(), 0, event.last_seen_ms, "", {}};
        // Not woken, which would take the state that may be out of reach.
        hub_class_->NewHub()->OnFailure(context, connection == nullptr ? unknown : *connection,
                                        MessageOf(event), why);
      } catch (const std::exception& error) {
        const LogAbout about({.shard = shard_.shard, .hub = name_, .connection = event.connection()});
        SPDLOG_WARN("could not tell a client of a failed message: {}", error.what());
      }
      state_.set_may_wait(may_wait);
      return ReleaseOutput(OutputOf(event, context.TakeOutputs()), context.TakeQuestions(), event);
    case HubEvent::Kind::kClose:
    case HubEvent::Kind::kPause:
    case HubEvent::Kind::kResume:
    case HubEvent::Kind::kUndelivered:
    case HubEvent::Kind::kUnconfirmed:
    case HubEvent::Kind::kLost:
    case HubEvent::Kind::kPresent:
    case HubEvent::Kind::kGatewayGone:
    case HubEvent::Kind::kRollCall:
    case HubEvent::Kind::kCloseAll:
    case HubEvent::Kind::kRecalled:
    case HubEvent::Kind::kConfirmed:
      if (store_failed) {
        // It happened, whether or not the store can note it now.
        if (event.kind == HubEvent::Kind::kRollCall) roll_calls_.insert(event.gateway);
        if (unsettled_.empty()) host_->RetrySoon(shared_from_this());
        unsettled_.push_back(std::move(event));
      } else {
        // The class failed to handle it; the connection itself must go all the same.
        FinishWithoutHub(std::move(event));
      }
      return;
    case HubEvent::Kind::kAlarm:
      return FailAlarm(why);
    case HubEvent::Kind::kAlarmSettled:
      alarm_delivered_ = false;
      return host_->AlarmDone(*this, WallMs() + kStoreRetryMs);
    case HubEvent::Kind::kNoteSuspect:
    case HubEvent::Kind::kClearSuspect:
    case HubEvent::Kind::kNoteGivenUp:
      return FailNote(std::move(event));
  }
}

void AwakeHub::FinishWithoutHub(HubEvent event) {
  HubContext context = NewContext(HubContext::Access::kReadWrite);
  try {
    if (event.kind == HubEvent::Kind::kClose) {
      state_.RemoveConnection(event.connection());
    } else if (event.kind == HubEvent::Kind::kGatewayGone) {
      EndConnections(event, [](const Connection&) {});
    } else if (event.kind == HubEvent::Kind::kCloseAll) {
      EndConnections(event, [&](const Connection& connection) {
        context.CloseUnknown(connection.id, kGoingAway, kClosedByOperator);
      });
    }
  } catch (const StoreAway&) {
    RevertOpenChange();
    return Fail(std::move(event), Hub::Failure::kStore);
  }
  Complete(std::move(event), &context);
}

void AwakeHub::FailAlarm(Hub::Failure why) {
  const int64_t now_ms = WallMs();
  if (why == Hub::Failure::kStore || stale_) {
    alarm_delivered_ = false;
    return host_->AlarmDone(*this, now_ms + kStoreRetryMs);
  }
  HubEvent retry;
  retry.kind = HubEvent::Kind::kAlarm;
  HubContext context = NewContext(HubContext::Access::kReadWrite);
  if (why == Hub::Failure::kPoison) {
    alarm_delivered_ = true;  // it did not come to the handler
    if (state_.IsCheckDue(now_ms)) state_.RearmCheck(now_ms);
    if (const int64_t quarantine_end_ms = QuarantineEndMs(); quarantine_end_ms > now_ms) {
      state_.RetryAlarmAt(quarantine_end_ms);
    } else if (state_.IsAlarmDue(now_ms)) {
      state_.SetAlarm(0);
    }
  } else if (state_.alarm_failures() < kAlarmRetries) {
    host_->CountFailedAlarm(true);
    state_.RetryAlarmAt(now_ms + (kFirstAlarmRetryMs << state_.alarm_failures()));
  } else {
    host_->CountFailedAlarm(false);
    const LogAbout about({.shard = shard_.shard, .hub = name_});
    SPDLOG_ERROR("OnAlarm failed {} times; the alarm is dropped", kAlarmRetries + 1);
    state_.SetAlarm(0);
  }
  state_.ReindexAlarm();
  Complete(std::move(retry), &context);
}

void AwakeHub::RetryUnsettled() {
  for (HubEvent& event : std::exchange(unsettled_, {})) {
    if (event.kind == HubEvent::Kind::kClearSuspect || event.kind == HubEvent::Kind::kNoteGivenUp) {
      queue_.push_front(std::move(event));  // the next suspect waits for it
      if (!running_ && !waits_) WaitFor(WaitingLine::kReady);
    } else {
      DeliverSoon(std::move(event));
    }
  }
}

void AwakeHub::Depose() {
  deposed_ = true;
  if (suspicion_ > Suspicion::kAwaitsTurn) host_->EndSuspectTurn();
  suspicion_ = Suspicion::kNone;
  queue_.clear();
  in_flight_.clear();
  bytes_in_flight_ = 0;
  unsettled_.clear();
  pending_rows_.clear();
  pending_due_.reset();
  for (const auto& question : std::exchange(questions_, {})) question(OperatorStatus::kNotOwner);
}

bool AwakeHub::ForgetState() {
  if (running_ || commit_soon_ || commit_failed_ || !in_flight_.empty()) return false;
  state_.Unload();
  hub_.reset();
  condemned_.reset();
  ++alarm_generation_;  // an alarm that is being settled was another one
  return true;
}

void AwakeHub::Resume() {
  suspended_ = false;
  if (deposed_ || running_ || waits_) return;
  if (!queue_.empty() || !questions_.empty() || commit_failed_) WaitFor(LineForRoom());
}

bool AwakeHub::CanSleep() const {
  return !running_ && !suspended_ && !waits_ && queue_.empty() && questions_.empty() && in_flight_.empty() &&
         !commit_soon_ && unsettled_.empty() && !alarm_delivered_ && open_questions_ == 0;
}

}  // namespace dormouse
