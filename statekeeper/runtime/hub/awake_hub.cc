#include "statekeeper/runtime/hub/awake_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "common/clock.h"
#include "common/log_limit.h"
#include "common/logging.h"
#include "statekeeper/runtime/hub/over_limit.h"
#include "statekeeper/runtime/hub/waking.h"

namespace dormouse {
namespace {

// Events of one hub, and their time, after which other hubs get a turn, and rows: those of a turn are one
// commit, which must not hold up the store (half a millisecond of Redis).
constexpr int kEventsPerTurn = 64;
constexpr int64_t kTurnMs = 5;
constexpr size_t kRowsPerTurn = 200;

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
bool IsActivity(const HubEvent& event) {
  const auto* const from = std::get_if<event::FromGateway>(&event);
  return from != nullptr ? from->kind != EventKind::kPresent
                         : Is<event::AlarmDue>(event) || Is<event::CloseAll>(event) ||
                               Is<event::Request>(event) || Is<event::Resumed>(event);
}

int64_t SteadyUs() {
  using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::steady_clock;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

// The deferred event for which it runs; 0: none.
uint64_t OwnerOf(const event::Resumed& resumed) {
  const HubPort::Resumption* const resumption = resumed.resumption.get();
  if (resumption == nullptr) return 0;
  return resumption->finishes != 0 ? resumption->finishes : resumption->belongs_to;
}

void LogFailedHandler(const std::string& hub, const ShardEpoch& shard, const HubEvent& event,
                      const std::exception& error) {
  const event::FromGateway* const from = FindUnsettled(event);
  link::OpenRequest request;
  if (from != nullptr && from->kind == EventKind::kOpen) request.ParseFromString(from->payload);
  const LogAbout about({.shard = shard.shard,
                        .hub = hub,
                        .connection = from == nullptr ? std::nullopt : std::optional(from->connection()),
                        .trace = TraceOf(request)});
  SPDLOG_ERROR("a handler failed: {}", error.what());
}

// What the handler has used, from its connection's allowance.
void Charge(const HubEvent& event, HandlerClock* clock, Allowances* allowances) {
  const HandlerClock::Time used = clock->End();
  const auto* const from = std::get_if<event::FromGateway>(&event);
  if (from == nullptr) return;
  if (from->kind == EventKind::kClose) {
    allowances->Forget(from->connection());
  } else if (from->IsMessage() && allowances->Counts(used)) {
    allowances->Charge(from->connection(), used, clock->began(), HandlerClock::Clock::now());
  }
}

void Answer(HubRequest* request, const HubContext::Sequel& sequel) {
  using Outcome = HubRequest::Outcome;
  if (sequel.reply) return request->Finish(Outcome::kAnswered, *sequel.reply);
  request->Finish(Outcome::kFailed, sequel.failure.empty() ? "The hub has not answered" : sequel.failure);
}

}  // namespace

AwakeHub::AwakeHub(std::string name, const ShardEpoch& shard, const HubClass* hub_class, HubHost* host)
    : name_(std::move(name)),
      shard_(shard),
      host_(host),
      object_(hub_class,
              [this](event::Resumed resumed) {
                if (deposed_) return;
                queue_.AddResumed(std::move(resumed));
                Pump();
              }),
      clock_([host] { host->Yield(); }),
      allowances_(host->limits().connection_cpu),
      state_({name_, host->reap_interval(), &host->limits()}, host->store(), host->fibers(), &clock_),
      alarm_(name_, shard_, &state_, host),
      roll_caller_(shard_.epoch, &state_, &queue_, host),
      poison_(name_, shard_, &state_, &queue_, host),
      surroundings_{name_,
                    &state_,
                    &clock_,
                    [this] { return queue_.size(); },
                    &host->limits(),
                    [this](const std::vector<ConnectionId>& open, const GatewayLinks::Answered& done) {
                      host_->AskAnswerTimes(open, shard_, done);
                    }},
      parts_{name_,
             shard_,
             host_,
             &state_,
             &queue_,
             &alarm_,
             &roll_caller_,
             &poison_,
             &deferred_,
             [this](std::vector<HubEvent> events) {
               for (HubEvent& event : events) DeliverSoon(std::move(event));
             }},
      calls_(parts_, &clock_, &gate_, [this] { host_->CommitSoon(shared_from_this()); }),
      gateway_questions_(shard_, host, [this](HubEvent event) { Deliver(std::move(event)); }),
      failures_(parts_),
      activity_{.idle_since_ms = SteadyMs(), .awake_since_us = SteadyUs()} {}

AwakeHub::~AwakeHub() = default;

// --- Its turn.

void AwakeHub::Deliver(HubEvent event) {
  if (deposed_) return;
  queue_.Add(std::move(event));
  Pump();
}

void AwakeHub::DeliverSoon(HubEvent event) {
  if (deposed_) return;
  queue_.Add(std::move(event));
  RunSoon(state_.loaded() ? WaitingLine::kReady : LineForRoom());
}

void AwakeHub::Start(std::vector<HubEvent> events, bool may_wait) {
  for (HubEvent& event : events) queue_.Add(std::move(event));
  Run(may_wait);
}

void AwakeHub::Run(bool may_wait) {
  waits_ = false;
  state_.set_may_wait(may_wait);
  Pump();
  if (!running_) state_.set_may_wait(true);
}

void AwakeHub::Pump() {
  if (deposed_ || frozen_ || running_ || waits_ ||
      (queue_.empty() && questions_.empty() && !gate_.has_failed()))
    return;
  FiberPool* const fibers = host_->fibers();
  if (!state_.loaded() && state_.may_wait() && !fibers->MaySuspend()) return RunSoon(LineForRoom());
  if (!fibers->MayRun()) return RunSoon(WaitingLine::kReady);
  running_ = true;
  fibers->Run([self = shared_from_this()] { self->RunQueue(); });
}

void AwakeHub::RunSoon(WaitingLine line) {
  if (running_ || waits_) return;
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
  while (!deposed_ && !frozen_ && !wait) {
    if (gate_.has_failed()) RollBack();
    if (!questions_.empty()) {
      if (host_->fibers()->MaySuspend()) {
        const auto question = std::move(questions_.front());
        questions_.pop_front();
        clock_.Begin({});
        question(OperatorStatus::kOk);
      } else {
        wait = LineForRoom();
      }
      continue;
    }
    if (queue_.empty()) break;
    const bool turn_over = handled > 1 && (handled == kEventsPerTurn || SteadyMs() >= end_ms);
    if (turn_over || gate_.rows_to_commit() >= kRowsPerTurn) {
      wait = WaitingLine::kReady;
      continue;
    }
    if (!MayBegin()) break;
    if (handled++ == 1) end_ms = SteadyMs() + kTurnMs;
    const Outcome outcome = Handle(queue_.Take());
    if (outcome == Outcome::kCrowded) wait = LineForRoom();
    if (outcome == Outcome::kHandled && activity_.wake_us == 0) {
      activity_.wake_us = std::max<int64_t>(1, SteadyUs() - activity_.awake_since_us);
      host_->CountWake(activity_.wake_us);
    }
  }
  EndRun(wait);
}

void AwakeHub::EndRun(std::optional<WaitingLine> wait) {
  running_ = false;
  state_.set_may_wait(true);
  if (deposed_) return;
  if (std::exchange(activity_.in_this_run, false)) {
    activity_.stays_awake = true;
    activity_.idle_since_ms = SteadyMs();
    host_->Touch(this);
  }
  if (wait) RunSoon(*wait);
  SleepIfDrowsy();
}

bool AwakeHub::MayBegin() {
  if (gate_.IsFull()) return false;  // OnCommitted goes on
  if (Is<event::Resumed>(queue_.front())) return true;
  // A resumption goes on; what the runtime notes for itself is not kept back, for others may wait for that.
  if (deferred_.IsFull() && EventHandler::NeedsHub(queue_.front()) &&
      !Is<event::AlarmSettled>(queue_.front()))
    return false;
  switch (poison_.Judge()) {
    case PoisonGuard::Verdict::kBegin:
      if (!object_.has_next_class() || !gateway_questions_.empty()) return true;
      // What it has asked gateways may take long, and its answers are for the object that asked.
      if (!gate_.IsOpen() || !deferred_.empty()) return false;
      object_.UseNextClass();
      DropObject();
      allowances_ = Allowances(host_->limits().connection_cpu);
      return true;
    case PoisonGuard::Verdict::kWait:
      break;
    case PoisonGuard::Verdict::kAskForTurn:
      host_->AwaitSuspectTurn(shared_from_this());
      break;
  }
  return false;
}

void AwakeHub::OnSuspectTurn() {
  if (deposed_) return host_->EndSuspectTurn();
  poison_.OnTurn();
  RunSoon(WaitingLine::kReady);
}

void AwakeHub::SleepIfDrowsy() {
  if (IsDrowsy() && CanSleep()) host_->SleepSoon(shared_from_this());
}

bool AwakeHub::CanSleep() const {
  return !running_ && !frozen_ && !waits_ && queue_.IsIdle() && questions_.empty() && gate_.IsIdle() &&
         !alarm_.is_under_way() && gateway_questions_.empty() && deferred_.empty() && !object_.is_held();
}

bool AwakeHub::CanBeAbandoned() const {
  // Of its events only deferred ones, and those behind them that have not begun, are left.
  return !running_ && !frozen_ && !waits_ && questions_.empty() && gate_.IsIdle() &&
         gateway_questions_.empty() && !poison_.is_engaged() && (!deferred_.empty() || object_.is_held());
}

std::vector<HubEvent> AwakeHub::Abandon() {
  DropObject();
  std::vector<HubEvent> events = queue_.TakeAll();
  for (const HubEvent& event : events) {
    if (Is<event::AlarmDue>(event) || Is<event::AlarmSettled>(event)) alarm_.Postpone();
  }
  std::erase_if(events, [](const HubEvent& event) {
    return FindUnsettled(event) == nullptr && !Is<event::Request>(event);
  });
  return events;
}

void AwakeHub::EndGoneGateways() {
  for (const event::GatewayGone& gone : GoneGateways(state_, *host_)) DeliverSoon(gone);
}

void AwakeHub::CallRoll(GatewayId gateway) {
  if (deposed_) return;
  roll_caller_.Ask(gateway);
  RunSoon(WaitingLine::kReady);
}

void AwakeHub::Retry() {
  const bool in_order = queue_.keeps_order_aside();
  std::vector<HubEvent> aside = queue_.TakeAside();
  if (in_order) {
    // What waits for the store in its order goes on before what has come since.
    for (auto it = aside.rbegin(); it != aside.rend(); ++it) queue_.AddFirst(std::move(*it));
    return RunSoon(state_.loaded() ? WaitingLine::kReady : LineForRoom());
  }
  for (HubEvent& event : aside) {
    if (Is<event::ClearSuspect>(event) || Is<event::NoteGivenUp>(event)) {
      queue_.AddFirst(std::move(event));  // the next suspect waits for it
      RunSoon(WaitingLine::kReady);
    } else {
      DeliverSoon(std::move(event));
    }
  }
}

void AwakeHub::Depose() {
  deposed_ = true;
  calls_.Depose();
  poison_.Depose();
  queue_.Clear();
  deferred_.TakeAll();
  deferred_spans_.clear();
  // Their commits may have been carried out.
  for (const OutputGate::RolledBack& held : gate_.RollBack()) {
    if (const auto* const request = std::get_if<event::Request>(&held.handled.event)) {
      request->request->Finish(HubRequest::Outcome::kUnknown,
                               "The hub's owner has changed; whether the call was carried out is not known");
    }
  }
  for (const auto& question : std::exchange(questions_, {})) question(OperatorStatus::kNotOwner);
}

bool AwakeHub::ForgetState() {
  if (running_ || !gate_.IsIdle() || gate_.has_failed()) return false;
  state_.Unload();
  DropObject();
  poison_.Forget();
  alarm_.OnChanged();  // one that is being settled was another one
  return true;
}

void AwakeHub::Thaw() {
  frozen_ = false;
  if (deposed_ || running_ || waits_) return;
  if (!queue_.empty() || !questions_.empty() || gate_.has_failed()) RunSoon(LineForRoom());
}

// --- One event.

std::optional<AwakeHub::Outcome> AwakeHub::Divert(HubEvent* event) {
  if (queue_.MustWaitAside(*event)) {
    queue_.SetAside(std::move(*event));
    return Outcome::kHandled;
  }
  if (gate_.in_doubt() && gate_.IsOpen() && host_->store()->healthy()) {
    state_.Unload();
    gate_.OnReadAnew();
    // Before this one those that it had deferred come again.
    if (!Is<event::Resumed>(*event)) queue_.AddFirst(std::move(*event));
    DropObject();
    return Outcome::kPutBack;
  }
  const auto* const resumed = std::get_if<event::Resumed>(event);
  if (resumed == nullptr) return std::nullopt;
  if (resumed->life != object_.life()) return Outcome::kHandled;
  if (resumed->resumption != nullptr) return std::nullopt;
  DropObject(true);
  return Outcome::kHandled;
}

bool AwakeHub::RefuseForCost(HubEvent* event) {
  if (allowances_.empty()) return false;
  const event::FromGateway* const message = FindMessage(*event);
  if (message == nullptr || poison_.IsSuspect(*event)) return false;
  const auto wait = allowances_.Wait(message->connection(), HandlerClock::Clock::now());
  if (wait == wait.zero()) return false;
  activity_.in_this_run = true;
  const ConnectionId connection = message->connection();
  clock_.Begin({});
  Fail(std::move(*event), Hub::Failure::kOverAllowance,
       std::chrono::duration_cast<std::chrono::milliseconds>(wait).count());
  const HandlerClock::Time used = clock_.End();
  allowances_.Charge(connection, used, clock_.began(), HandlerClock::Clock::now());
  return true;
}

bool AwakeHub::RefuseAsPoison(HubEvent* event) {
  if (const auto refusal = poison_.Refuse(*event); refusal != PoisonGuard::Refusal::kNone) {
    const bool given_up = refusal == PoisonGuard::Refusal::kGivenUp;
    activity_.in_this_run = true;
    if (given_up || poison_.IsSuspect(*event)) poison_.End(given_up);
  } else if (host_->max_attempts() != 0 && RestartsOf(*event) >= host_->max_attempts()) {
    const LogAbout about({.shard = shard_.shard, .hub = name_});
    SPDLOG_ERROR("an event is given up: {} times its hub class's process has ended before it was done",
                 RestartsOf(*event));
    host_->CountGivenUp();
  } else {
    return false;
  }
  Fail(std::move(*event), Hub::Failure::kPoison);
  return true;
}

AwakeHub::Outcome AwakeHub::Handle(HubEvent event) {
  if (const auto diverted = Divert(&event)) return *diverted;
  if (state_.IsLarge() && gate_.IsOpen() && gate_.rows_to_commit() == 0) state_.Unload();
  if (RefuseForCost(&event)) return Outcome::kHandled;

  HubContext context(surroundings_, WallMs(), HubContext::Access::kReadWrite);
  std::optional<Hub::Failure> failure;
  const bool wakes = host_->tracer() != nullptr && !state_.loaded();
  const int64_t began_ns = wakes ? SpanClockNs() : 0;
  int64_t awake_ns = 0;
  state_.TakeCrowded();
  try {
    if (!state_.loaded()) {
      clock_.Begin({});
      if (!WakeFor(&event, parts_)) return Outcome::kPutBack;
    }
    if (RefuseAsPoison(&event)) return Outcome::kHandled;
    if (EventHandler::NeedsHub(event) && object_.get() == nullptr)
      object_.Make(surroundings_, &clock_, shared_from_this());
    if (wakes) awake_ns = SpanClockNs();
    CallHandler(event, &context);
  } catch (const StoreAway&) {
    failure = Hub::Failure::kStore;
  } catch (const OverLimit& over) {
    failure = over.failure();
  } catch (const BackendCommands::Refused&) {
    failure = Hub::Failure::kHandler;
  } catch (const std::exception& error) {
    LogFailedHandler(name_, shard_, event, error);
    failure = Hub::Failure::kHandler;
  }
  if (context.over_limit()) failure = context.over_limit();
  if (wakes && context.span() != nullptr) context.span()->AddPart("hub wake", began_ns, awake_ns);
  Charge(event, &clock_, &allowances_);
  if (state_.TakeCrowded() && !deposed_) {
    state_.RevertOpenChange();
    calls_.KeepCloses(&context, last_begun_);
    if (deferred_.empty() && !Is<event::Resumed>(event))
      DropObject();  // else it has kept nothing of this one
    queue_.AddFirst(std::move(event));
    return Outcome::kCrowded;
  }
  if (!deposed_) Conclude(std::move(event), &context, failure);
  return Outcome::kHandled;
}

void AwakeHub::CallHandler(const HubEvent& event, HubContext* context) {
  Equip(event, context);
  clock_.Begin(host_->limits().handler_budget);
  EventHandler(parts_, object_.get(), context).Handle(event);
  clock_.LiftBudget();
  if (!state_.CountState(host_->limits().max_state)) throw OverLimit(Hub::Failure::kStateFull);
}

void AwakeHub::Equip(const HubEvent& event, HubContext* context) {
  context->set_port(object_.port());
  context->set_restarts(RestartsOf(event));
  if (!Is<event::Resumed>(event)) ++last_begun_;
  if (CanBeDeferred(event)) context->MayDefer([this] { return last_begun_; });
  context->MayCall(
      [this, &event, context](std::string hub, std::string_view payload, std::chrono::milliseconds deadline) {
        return calls_.Call(event, last_begun_, context, std::move(hub), payload, deadline);
      });
  if (const auto* const resumed = std::get_if<event::Resumed>(&event)) {
    const HubEvent* const finished = deferred_.Find(resumed->resumption->finishes);
    if (finished != nullptr && Is<event::AlarmDue>(*finished)) context->RunTimer(alarm_.timer());
    const auto* const request = finished == nullptr ? nullptr : std::get_if<event::Request>(finished);
    if (request != nullptr && request->request->commands() != nullptr)
      context->set_finishing(request->request.get());
  }
}

void AwakeHub::Conclude(HubEvent event, HubContext* context, std::optional<Hub::Failure> failure) {
  if (poison_.IsSuspect(event)) poison_.End(false);
  if (failure || (IsActivity(event) && context->stays_awake())) activity_.in_this_run = true;
  const auto* const resumed = std::get_if<event::Resumed>(&event);
  if (failure) {
    clock_.Begin({});
    state_.RevertOpenChange();
    calls_.KeepCloses(context, last_begun_);
    if (resumed != nullptr) return FailResumed(*resumed, *failure);
    std::vector<LostEvent> lost = LoseObject();
    lost.push_back({std::move(event), last_begun_, *failure});
    return HandleAgain(std::move(lost), *failure == Hub::Failure::kStore);
  }
  if (resumed != nullptr) return Finish(*resumed, context);
  if (context->deferred_as() == 0) return Complete(std::move(event), context);
  // It is not done yet.
  const auto* const from = std::get_if<event::FromGateway>(&event);
  // The connection goes when its end is dealt with: after a crash that begins anew.
  if (from != nullptr && from->kind == EventKind::kClose) state_.RevertOpenChange();
  deferred_.Add(context->deferred_as(), std::move(event));
  if (context->span() != nullptr) deferred_spans_.emplace(context->deferred_as(), context->TakeSpan());
  Complete(event::Resumed{}, context);
}

// --- Events that go on after their handlers, and that are lost.

std::vector<LostEvent> AwakeHub::LoseObject(bool at_fault) {
  object_.Drop();
  deferred_spans_.clear();
  return LoseDeferred(&deferred_, at_fault, host_->max_attempts());
}

void AwakeHub::HandleAgain(std::vector<LostEvent> lost, bool store_away) {
  const bool waits = store_away && hub_class()->waits_for_store();
  std::vector<HubEvent> again;
  for (LostEvent& each : lost) {
    if (each.failure) {
      Fail(std::move(each.event), *each.failure);
    } else if (waits && Is<event::FromGateway>(each.event)) {
      SetAside(std::move(each.event), true);
    } else {
      again.push_back(std::move(each.event));
    }
  }
  for (auto it = again.rbegin(); it != again.rend(); ++it) queue_.AddFirst(std::move(*it));
}

void AwakeHub::SetAside(HubEvent event, bool in_order) {
  if (!queue_.has_aside()) host_->RetrySoon(shared_from_this());
  queue_.SetAside(std::move(event), in_order);
}

void AwakeHub::Finish(const event::Resumed& resumed, HubContext* context) {
  const HubPort::Resumption& resumption = *resumed.resumption;
  context->set_durable(resumption.durable);
  std::optional<HubEvent> done;
  if (resumption.finishes != 0) done = deferred_.Take(resumption.finishes);
  if (!done) return Complete(resumed, context);
  if (auto traced = deferred_spans_.extract(resumption.finishes))
    context->set_span(std::move(traced.mapped()));
  const uint64_t number = resumption.finishes;
  const auto* const from = std::get_if<event::FromGateway>(&*done);
  const bool failed = !resumption.failure.empty();
  if (failed) {
    const LogAbout about({.shard = shard_.shard,
                          .hub = name_,
                          .connection = from == nullptr ? std::nullopt : std::optional(from->connection())});
    SPDLOG_WARN("a handler failed: {}", resumption.failure);
  }
  const bool refused = failed && from != nullptr && from->kind == EventKind::kOpen;
  if (refused || (from != nullptr && from->kind == EventKind::kClose))
    state_.RemoveConnection(from->connection());
  if (failed && (refused || Is<event::AlarmDue>(*done))) {
    Complete(resumed, context);
    return Fail(std::move(*done), Hub::Failure::kHandler);
  }
  context->set_failure(resumption.failure);
  Complete(std::move(*done), context, number);
}

void AwakeHub::FailResumed(const event::Resumed& resumed, Hub::Failure why) {
  const uint64_t number = OwnerOf(resumed);
  const bool store_away = why == Hub::Failure::kStore;
  // Of whose making it is, where it does not say, is found as if the object's process had ended: else it might go on so
  // for ever.
  const bool at_fault = !store_away && !deferred_.Has(number);
  std::vector<LostEvent> lost = LoseObject(at_fault);
  for (LostEvent& each : lost) {
    if (each.number == number) each.failure = why;  // it would fail again
  }
  failures_.Note(why);
  HandleAgain(std::move(lost), store_away);
}

// --- It has ended well.

void AwakeHub::Complete(HubEvent event, HubContext* context, uint64_t number) {
  if (number == 0) number = last_begun_;
  EventOutput output = OutputOf(event, shard_, context->TakeOutputs());
  HubContext::Sequel sequel = context->TakeSequel();
  if (sequel.span != nullptr) {
    sequel.handled_ns = SpanClockNs();
    sequel.span->Set("dormouse.handler_us", (sequel.handled_ns - sequel.span->start_ns()) / 1000);
  }
  if (Is<event::AlarmDue>(event) && alarm_.is_under_way()) {
    if (const auto settled = alarm_.Finish(*context, !output.outputs.empty())) {
      output.acknowledged = [weak = weak_from_this(), settled = *settled] {
        if (const auto self = weak.lock()) self->Deliver(settled);
      };
    }
  } else if (!Is<event::AlarmSettled>(event)) {
    alarm_.OnHandled(*context);
  }

  HubState::Change change = state_.TakeChange();
  if (change.empty() && gate_.IsOpen()) return Release(event, std::move(output), sequel);
  if (!change.empty() && gate_.in_doubt()) {
    // Memory may lag behind the store, which is away: nothing may be built on it.
    state_.Revert(std::move(change));
    std::vector<LostEvent> lost = LoseObject();
    if (const auto* const resumed = std::get_if<event::Resumed>(&event)) {
      // Without a resumption: the event that has just been deferred.
      const uint64_t owner = resumed->resumption == nullptr ? number : OwnerOf(*resumed);
      const auto begun = std::ranges::find(lost, owner, &LostEvent::number);
      if (begun != lost.end()) begun->failure = Hub::Failure::kStore;
    } else {
      const auto after =
          std::ranges::find_if(lost, [&](const LostEvent& each) { return each.number > number; });
      lost.insert(after, {std::move(event), number, Hub::Failure::kStore});
    }
    return HandleAgain(std::move(lost), true);
  }
  if (gate_.Hold({std::move(event), std::move(output), std::move(sequel), number}, std::move(change)))
    host_->CommitSoon(shared_from_this());
}

void AwakeHub::OnCommitted(uint64_t number, StoreStatus status) {
  if (deposed_ || gate_.has_failed()) return;
  if (status != StoreStatus::kOk) {
    if (!gate_.Fail(number)) return;
    LogRefusedChange(name_, gate_.held());
    calls_.OnCommitFailed();
    return Pump();
  }
  while (auto handled = gate_.TakeDurable(number))
    Release(handled->event, std::move(handled->output), handled->sequel);
  if (!queue_.empty()) Pump();  // what waited for this commit
  SleepIfDrowsy();
}

void AwakeHub::Release(const HubEvent& event, EventOutput output, const HubContext::Sequel& sequel) {
  if (deposed_) return;
  if (const auto* const request = std::get_if<event::Request>(&event)) Answer(request->request.get(), sequel);
  const bool travels = output.acknowledged != nullptr;
  host_->Release(std::move(output));
  alarm_.OnReleased(event, travels);
  poison_.OnReleased(event);
  if (!sequel.recalls.empty() || !sequel.confirms.empty()) gateway_questions_.Ask(sequel, shared_from_this());
  if (sequel.durable) sequel.durable();
  if (sequel.span == nullptr) return;
  sequel.span->Set("dormouse.commit_us", (SpanClockNs() - sequel.handled_ns) / 1000);
  sequel.span->End();
}

// --- It has failed.

void AwakeHub::RollBack() {
  std::vector<LostEvent> lost = LoseObject();
  std::deque<OutputGate::RolledBack> taken = gate_.RollBack();
  for (auto it = taken.rbegin(); it != taken.rend(); ++it) state_.Revert(std::move(it->undo));
  for (OutputGate::RolledBack& each : taken) {
    if (Is<event::Resumed>(each.handled.event)) continue;  // what it belongs to is handled again
    const auto failure = each.wrote ? std::optional(Hub::Failure::kStore) : std::nullopt;
    // The store may have carried it out all the same; and of a deferred one, what it did before is durable.
    if (auto* const from = std::get_if<event::FromGateway>(&each.handled.event)) from->repeated = true;
    lost.push_back({std::move(each.handled.event), each.handled.number, failure});
  }
  std::ranges::stable_sort(lost, {}, &LostEvent::number);
  HandleAgain(std::move(lost), true);
}

void AwakeHub::Fail(HubEvent event, Hub::Failure why, int64_t retry_after_ms) {
  failures_.Note(why);
  if (Is<event::Resumed>(event)) return;  // what it belongs to is handled again
  if (const auto* const request = std::get_if<event::Request>(&event))
    return FailureAnswers::Refuse(request->request.get(), why);
  const auto* const from = std::get_if<event::FromGateway>(&event);
  if (from != nullptr && from->IsMessage()) {
    if (why == Hub::Failure::kStore && hub_class()->waits_for_store())
      return SetAside(std::move(event), true);
    if (hub_class()->closes_failed()) {
      HubContext context(surroundings_, WallMs(), HubContext::Access::kReadWrite);
      failures_.Close(*from, why, gate_.in_doubt(), &context);
      return Complete(std::move(event), &context);
    }
  }
  if (from != nullptr && (from->IsMessage() || from->kind == EventKind::kOpen)) {
    HubContext context(surroundings_, WallMs(), HubContext::Access::kReadOnly);
    context.set_retry_after_ms(retry_after_ms);
    if (from->kind == EventKind::kOpen) {
      FailureAnswers::Refuse(*from, why, &context);
    } else {
      failures_.Tell(*from, why, *hub_class(), &context);
    }
    return Release(event, OutputOf(event, shard_, context.TakeOutputs()), context.TakeSequel());
  }
  if (Is<event::AlarmDue>(event)) {
    HubContext context(surroundings_, WallMs(), HubContext::Access::kReadWrite);
    if (alarm_.Fail(why, poison_.QuarantineEndMs(), gate_.in_doubt())) Complete(std::move(event), &context);
    return;
  }
  if (Is<event::AlarmSettled>(event)) return alarm_.Postpone();
  if (Is<event::NoteSuspect>(event)) {
    if (auto suspect = poison_.OnNoteFailed()) Fail(std::move(*suspect), Hub::Failure::kStore);
    return;
  }
  // The turn of a suspect is kept until it is known that its note is gone.
  const bool ends_note = Is<event::ClearSuspect>(event) || Is<event::NoteGivenUp>(event);
  if (why != Hub::Failure::kStore && !ends_note) {
    // The class failed to handle it; the connection itself must go all the same.
    HubContext context(surroundings_, WallMs(), HubContext::Access::kReadWrite);
    bool finished = false;
    try {
      EventHandler(parts_, nullptr, &context).FinishWithoutHub(event);
      finished = true;
    } catch (const StoreAway&) {
      state_.RevertOpenChange();
    }
    if (finished) return Complete(std::move(event), &context);
  }
  // It happened, whether or not the store can note it now.
  if (const auto* const call = std::get_if<event::CallRoll>(&event)) roll_caller_.OnSetAside(*call);
  SetAside(std::move(event), false);
}

}  // namespace dormouse
