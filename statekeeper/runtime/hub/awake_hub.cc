#include "statekeeper/runtime/hub/awake_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "common/clock.h"
#include "common/log_limit.h"
#include "common/logging.h"
#include "statekeeper/runtime/hub/close_codes.h"
#include "statekeeper/runtime/hub/over_limit.h"

namespace dormouse {
namespace {

// Events of one hub, and their time, after which other hubs get a turn, and rows: those of a turn are one
// commit, which must not hold up the store (half a millisecond of Redis).
constexpr int kEventsPerTurn = 64;
constexpr int64_t kTurnMs = 5;
constexpr size_t kRowsPerTurn = 200;
// Hubs that wait for one call, each for the next.
constexpr size_t kMostWaitingForCall = 16;

// A store that refuses everything would fill the log.
void LogRefusedChange(const std::string& hub, size_t events) {
  static LogLimit limit;
  uint64_t left_out = 0;
  if (!limit.Take(&left_out)) return;
  const LogAbout about({.hub = hub});
  SPDLOG_WARN("a commit failed; {} events are taken back{}", events,
              left_out == 0 ? "" : fmt::format(" ({} more such commits were not noted)", left_out));
}

// Of an event that goes beyond what one may do. The option that says so; nullptr: it is no such failure.
const char* OptionOf(Hub::Failure why) {
  switch (why) {
    case Hub::Failure::kStateFull:
      return "max-state";
    case Hub::Failure::kOverBudget:
      return "handler-budget";
    case Hub::Failure::kTooMuchOutput:
      return "max-output";
    case Hub::Failure::kTooManyChanges:
      return "max-changes";
    case Hub::Failure::kOverAllowance:
      return "connection-cpu";
    default:
      return nullptr;
  }
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

void Answer(HubRequest* request, const HubContext::Sequel& sequel) {
  using Outcome = HubRequest::Outcome;
  if (sequel.reply) return request->Finish(Outcome::kAnswered, *sequel.reply);
  request->Finish(Outcome::kFailed, sequel.failure.empty() ? "The hub has not answered" : sequel.failure);
}

std::string_view WhyClosed(Hub::Failure why) {
  switch (why) {
    case Hub::Failure::kStore:
      return "The store is not available; try again";
    case Hub::Failure::kStateFull:
      return "The hub's state is full";
    case Hub::Failure::kTooMuchOutput:
    case Hub::Failure::kTooManyChanges:
      return "The message makes the hub do too much";
    case Hub::Failure::kOverAllowance:
      return "Messages of this connection take too much time; try again later";
    default:
      return "The hub has failed";
  }
}

std::string_view WhyNotOpened(Hub::Failure why) {
  switch (why) {
    case Hub::Failure::kStore:
      return "The store is not available; try again";
    case Hub::Failure::kPoison:
      return "This hub has failed";
    case Hub::Failure::kStateFull:
      return "The hub's state is full";
    default:
      return "The hub failed to accept the connection";
  }
}

}  // namespace

class AwakeHub::Port : public HubPort {
 public:
  Port(std::weak_ptr<AwakeHub> hub, uint64_t life) : hub_(std::move(hub)), life_(life) {}

  void Resume(Resumption resumption) override {
    if (const auto hub = hub_.lock())
      hub->Resume(life_, std::make_shared<HubPort::Resumption>(std::move(resumption)));
  }
  void Hold(bool hold) override {
    if (const auto hub = hub_.lock()) hub->Hold(life_, hold);
  }
  void Restart() override {
    if (const auto hub = hub_.lock()) hub->Resume(life_, nullptr);
  }

 private:
  const std::weak_ptr<AwakeHub> hub_;
  const uint64_t life_;
};

AwakeHub::AwakeHub(std::string name, const ShardEpoch& shard, const HubClass* hub_class, HubHost* host)
    : name_(std::move(name)),
      shard_(shard),
      host_(host),
      hub_class_(hub_class),
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
      handle_later_([this](std::vector<HubEvent> events) {
        for (HubEvent& event : events) DeliverSoon(std::move(event));
      }),
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
  if (deposed_ || suspended_ || running_ || waits_ ||
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
  while (!deposed_ && !suspended_ && !wait) {
    if (gate_.has_failed()) TakeBack();
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
      return !AwaitsNewClass();
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

bool AwakeHub::AwaitsNewClass() {
  // What it has asked gateways may take long, and its answers are for the object that asked.
  if (next_class_ == nullptr || open_questions_ > 0) return false;
  if (!gate_.IsOpen() || !deferred_.empty()) return true;
  hub_class_ = std::exchange(next_class_, nullptr);
  DropHub();
  allowances_ = Allowances(host_->limits().connection_cpu);
  return false;
}

void AwakeHub::SleepIfDrowsy() {
  if (IsDrowsy() && CanSleep()) host_->SleepSoon(shared_from_this());
}

bool AwakeHub::CanSleep() const {
  return !running_ && !suspended_ && !waits_ && queue_.IsIdle() && questions_.empty() && gate_.IsIdle() &&
         !alarm_.is_under_way() && open_questions_ == 0 && deferred_.empty() && !held_;
}

bool AwakeHub::CanBeAbandoned() const {
  // Of its events only deferred ones, and those behind them that have not begun, are left.
  return !running_ && !suspended_ && !waits_ && questions_.empty() && gate_.IsIdle() &&
         open_questions_ == 0 && !poison_.is_engaged() && (!deferred_.empty() || held_);
}

std::vector<HubEvent> AwakeHub::Abandon() {
  DropHub();
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
  EndPart(false);
  poison_.Depose();
  queue_.Clear();
  deferred_.TakeAll();
  deferred_spans_.clear();
  // Their commits may have been carried out.
  for (const OutputGate::TakenBack& held : gate_.TakeBack()) {
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
  DropHub();
  poison_.Forget();
  alarm_.OnChanged();  // one that is being settled was another one
  return true;
}

void AwakeHub::Resume() {
  suspended_ = false;
  if (deposed_ || running_ || waits_) return;
  if (!queue_.empty() || !questions_.empty() || gate_.has_failed()) RunSoon(LineForRoom());
}

// --- One event.

HubContext AwakeHub::NewContext(HubContext::Access access) {
  return HubContext(surroundings_, WallMs(), access);
}

EventHandler::Parts AwakeHub::Parts() {
  return {name_,   shard_,        host_,    &state_,    &queue_,
          &alarm_, &roll_caller_, &poison_, &deferred_, &handle_later_};
}

void AwakeHub::Load() {
  state_.Load();
  if (state_.meta().restoring() != 0) {
    // What is there is not all of it: as if the store were away.
    state_.Unload();
    throw StoreAway();
  }
  poison_.Learn();
  roll_caller_.Begin();
  for (const event::GatewayGone& gone : GoneGateways(state_, *host_)) queue_.AddFirst(gone);
}

bool AwakeHub::LoadFor(HubEvent* event) {
  clock_.Begin({});
  Load();
  if (queue_.BeginsWithGoneGateway() && !Is<event::NoteSuspect>(*event)) {
    // First what happened while the hub slept, then what woke it.
    queue_.AddBehindGoneGateways(std::move(*event));
    return false;
  }
  if (poison_.IsSuspect(*event) && !poison_.IsNoted()) {
    queue_.AddFirst(std::move(*event));
    return false;
  }
  return true;
}

void AwakeHub::EnsureHub() {
  if (hub_ != nullptr) return;
  clock_.Begin({});
  std::unique_ptr<Hub> hub = hub_class_->NewHub();
  HubContext context = NewContext(HubContext::Access::kReadOnly);
  auto port = std::make_shared<Port>(weak_from_this(), life_);
  context.set_port(port);
  hub->OnWake(context);
  hub_ = std::move(hub);
  port_ = std::move(port);
}

AwakeHub::Outcome AwakeHub::Handle(HubEvent event) {
  if (queue_.MustWaitAside(event)) {
    queue_.SetAside(std::move(event));
    return Outcome::kHandled;
  }
  if (gate_.in_doubt() && gate_.IsOpen() && host_->store()->healthy()) {
    state_.Unload();
    gate_.OnReadAnew();
    // Before this one those that it had deferred come again.
    if (!Is<event::Resumed>(event)) queue_.AddFirst(std::move(event));
    DropHub();
    return Outcome::kPutBack;
  }
  if (const auto* const resumed = std::get_if<event::Resumed>(&event)) {
    if (resumed->life != life_) return Outcome::kHandled;
    if (resumed->resumption == nullptr) {
      DropHub(true);
      return Outcome::kHandled;
    }
  }
  if (state_.IsLarge() && gate_.IsOpen() && gate_.rows_to_commit() == 0) state_.Unload();
  if (!allowances_.empty() && RefuseForCost(&event)) return Outcome::kHandled;

  HubContext context = NewContext(HubContext::Access::kReadWrite);
  std::optional<Hub::Failure> failure;
  const bool wakes = host_->tracer() != nullptr && !state_.loaded();
  const int64_t began_ns = wakes ? SpanClockNs() : 0;
  int64_t awake_ns = 0;
  state_.TakeCrowded();
  try {
    if (!state_.loaded() && !LoadFor(&event)) return Outcome::kPutBack;
    if (const auto refusal = poison_.Refuse(event); refusal != PoisonGuard::Refusal::kNone) {
      const bool given_up = refusal == PoisonGuard::Refusal::kGivenUp;
      activity_.in_this_run = true;
      if (given_up || poison_.IsSuspect(event)) poison_.End(given_up);
      Fail(std::move(event), Hub::Failure::kPoison);
      return Outcome::kHandled;
    }
    if (host_->max_attempts() != 0 && RestartsOf(event) >= host_->max_attempts()) {
      const LogAbout about({.shard = shard_.shard, .hub = name_});
      SPDLOG_ERROR("an event is given up: {} times its hub class's process has ended before it was done",
                   RestartsOf(event));
      host_->CountGivenUp();
      Fail(std::move(event), Hub::Failure::kPoison);
      return Outcome::kHandled;
    }
    if (EventHandler::NeedsHub(event)) EnsureHub();
    if (wakes) awake_ns = SpanClockNs();
    Equip(event, &context);
    clock_.Begin(host_->limits().handler_budget);
    EventHandler(Parts(), hub_.get(), &context).Handle(event);
    clock_.LiftBudget();
    if (!state_.CountState(host_->limits().max_state)) failure = Hub::Failure::kStateFull;
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
  Charge(event, clock_.End());
  if (state_.TakeCrowded() && !deposed_) {
    state_.RevertOpenChange();
    LetGoOfPart(&context);
    if (deferred_.empty() && !Is<event::Resumed>(event)) DropHub();  // else it has kept nothing of this one
    queue_.AddFirst(std::move(event));
    return Outcome::kCrowded;
  }
  if (deposed_) return Outcome::kHandled;
  if (poison_.IsSuspect(event)) poison_.End(false);
  if (failure || (IsActivity(event) && context.stays_awake())) activity_.in_this_run = true;
  const auto* const resumed = std::get_if<event::Resumed>(&event);
  if (failure) {
    clock_.Begin({});
    state_.RevertOpenChange();
    LetGoOfPart(&context);
    if (resumed != nullptr) {
      FailResumed(*resumed, *failure);
    } else {
      std::vector<Lost> lost = LoseHub();
      lost.push_back({std::move(event), last_begun_, *failure});
      HandleAgain(std::move(lost), *failure == Hub::Failure::kStore);
    }
  } else if (resumed != nullptr) {
    Finish(*resumed, &context);
  } else if (context.deferred_as() != 0) {
    Defer(std::move(event), &context);
  } else {
    Complete(std::move(event), &context);
  }
  return Outcome::kHandled;
}

void AwakeHub::Equip(const HubEvent& event, HubContext* context) {
  context->set_port(port_);
  context->set_restarts(RestartsOf(event));
  if (!Is<event::Resumed>(event)) ++last_begun_;
  if (CanBeDeferred(event)) context->MayDefer([this] { return last_begun_; });
  context->MayCall(
      [this, &event, context](std::string hub, std::string_view payload, std::chrono::milliseconds deadline) {
        return Call(event, context, std::move(hub), payload, deadline);
      });
  if (const auto* const resumed = std::get_if<event::Resumed>(&event)) {
    const HubEvent* const finished = deferred_.Find(resumed->resumption->finishes);
    if (finished != nullptr && Is<event::AlarmDue>(*finished)) context->RunTimer(alarm_.timer());
    const auto* const request = finished == nullptr ? nullptr : std::get_if<event::Request>(finished);
    if (request != nullptr && request->request->commands() != nullptr)
      context->set_finishing(request->request.get());
  }
}

// --- Calls of other hubs, by the handler that is running.

Context::CallAnswer AwakeHub::Call(const HubEvent& event, HubContext* context, std::string hub,
                                   std::string_view payload, std::chrono::milliseconds deadline) {
  HubCaller::Question question{
      .hub = std::move(hub), .payload = std::string(payload), .timeout_ms = deadline.count()};
  if (const auto* const asked = std::get_if<event::Request>(&event)) {
    question.waiting = asked->request->waiting();
    if (asked->request->until_ms() != 0)
      question.timeout_ms = std::min(question.timeout_ms, asked->request->until_ms() - SteadyMs());
  }
  question.waiting.push_back(name_);
  if (std::ranges::find(question.waiting, question.hub) != question.waiting.end()) {
    return {
        .payload = {},
        .failure = fmt::format("{} waits for this call itself: hubs that call one another in a circle would "
                               "wait for ever",
                               question.hub)};
  }
  if (question.waiting.size() > kMostWaitingForCall) {
    return {.payload = {},
            .failure = fmt::format("{} hubs wait for one another already", kMostWaitingForCall)};
  }
  if (question.timeout_ms <= 0)
    return {.payload = {}, .failure = "There is no time left for this call", .retryable = true};
  if (context->has_called() && !host_->fibers()->MaySuspend())
    return {.payload = {}, .failure = "Too many handlers of this statekeeper wait", .retryable = true};
  state_.CheckMayWait();
  if (!state_.CountState(host_->limits().max_state)) throw OverLimit(Hub::Failure::kStateFull);
  context->set_has_called();
  if (!Is<event::AlarmDue>(event)) alarm_.OnHandled(*context);
  CommitPart();
  clock_.Pause();
  HubCaller::Answer answer = host_->Call(std::move(question));
  clock_.Continue();
  if (deposed_) throw StoreAway();
  return {.payload = std::move(answer.payload),
          .failure = std::move(answer.failure),
          .retryable = answer.retryable,
          .unknown = answer.unknown};
}

void AwakeHub::CommitPart() {
  HubState::Change change = state_.TakeChange();
  if (change.empty() && gate_.IsOpen()) return;
  if (!change.empty() && gate_.in_doubt()) {
    state_.Revert(std::move(change));
    throw StoreAway();
  }
  OutputGate::Handled part{.event = event::Resumed{},
                           .output = OutputOf(event::Resumed{}, {}),
                           .sequel = {},
                           .number = last_begun_};
  part.sequel.durable = [this] { EndPart(true); };
  part_waits_ = host_->fibers()->current();
  part_is_durable_ = false;
  if (gate_.Hold(std::move(part), std::move(change))) host_->CommitSoon(shared_from_this());
  clock_.Pause();
  host_->fibers()->Suspend();
  clock_.Continue();
  if (!part_is_durable_ || deposed_) throw StoreAway();
}

void AwakeHub::EndPart(bool durable) {
  if (part_waits_ == nullptr) return;
  part_is_durable_ = durable;
  host_->ResumeSoon(std::exchange(part_waits_, nullptr));
}

void AwakeHub::LetGoOfPart(HubContext* context) {
  if (!context->has_called() || gate_.has_failed()) return;
  EventOutput output = OutputOf(event::Resumed{}, context->TakeCloses());
  if (output.outputs.empty()) return;
  if (gate_.IsOpen()) return Release(event::Resumed{}, std::move(output), {});
  gate_.Hold({event::Resumed{}, std::move(output), {}, last_begun_}, {});
}

// --- Events that go on after their handlers.

void AwakeHub::Resume(uint64_t life, std::shared_ptr<HubPort::Resumption> resumption) {
  if (deposed_ || life != life_) return;
  queue_.AddResumed({std::move(resumption), life});
  Pump();
}

void AwakeHub::Hold(uint64_t life, bool hold) {
  if (life == life_) held_ = hold;
}

void AwakeHub::DropHub(bool at_fault) { HandleAgain(LoseHub(at_fault), false); }

std::vector<AwakeHub::Lost> AwakeHub::LoseHub(bool at_fault) {
  hub_.reset();
  port_.reset();
  ++life_;
  held_ = false;
  deferred_spans_.clear();
  std::vector<Lost> lost;
  for (auto& [number, event] : deferred_.TakeAll()) {
    if (const auto* const request = std::get_if<event::Request>(&event); request != nullptr && at_fault) {
      // Of what it has done some may be durable, and its caller cannot know that it is made twice.
      request->request->Finish(HubRequest::Outcome::kFailed,
                               "The hub's object was lost before it had answered");
      continue;
    }
    // Suspects run one by one, oldest first: none but that one can be to blame in the end.
    const bool may_be_last =
        lost.empty() || host_->max_attempts() == 0 || RestartsOf(event) + 1 < host_->max_attempts();
    if (at_fault && may_be_last) CountRestart(&event);
    if (auto* const from = std::get_if<event::FromGateway>(&event)) from->repeated = true;
    lost.push_back({std::move(event), number});
  }
  return lost;
}

void AwakeHub::HandleAgain(std::vector<Lost> lost, bool store_away) {
  const bool waits = store_away && hub_class_->waits_for_store();
  std::vector<HubEvent> again;
  for (Lost& each : lost) {
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

void AwakeHub::Defer(HubEvent event, HubContext* context) {
  const auto* const from = std::get_if<event::FromGateway>(&event);
  // The connection goes when its end is dealt with: after a crash that begins anew.
  if (from != nullptr && from->kind == EventKind::kClose) state_.RevertOpenChange();
  deferred_.Add(context->deferred_as(), std::move(event));
  if (context->span() != nullptr) deferred_spans_.emplace(context->deferred_as(), context->TakeSpan());
  Complete(event::Resumed{}, context);
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
  std::vector<Lost> lost = LoseHub(at_fault);
  for (Lost& each : lost) {
    if (each.number == number) each.failure = why;  // it would fail again
  }
  NoteLimit(why);
  HandleAgain(std::move(lost), store_away);
}

bool AwakeHub::RefuseForCost(HubEvent* event) {
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

void AwakeHub::Charge(const HubEvent& event, HandlerClock::Time used) {
  const auto* const from = std::get_if<event::FromGateway>(&event);
  if (from == nullptr) return;
  if (from->kind == EventKind::kClose) {
    allowances_.Forget(from->connection());
  } else if (from->IsMessage() && allowances_.Counts(used)) {
    allowances_.Charge(from->connection(), used, clock_.began(), HandlerClock::Clock::now());
  }
}

// --- It has ended well.

EventOutput AwakeHub::OutputOf(const HubEvent& event, std::vector<Output> outputs) const {
  EventOutput output;
  if (const event::FromGateway* const from = FindUnsettled(event))
    output.cause = {from->gateway, shard_.shard, from->sequence};
  output.shard = shard_.shard;
  output.epoch = shard_.epoch;
  output.outputs = std::move(outputs);
  return output;
}

void AwakeHub::Complete(HubEvent event, HubContext* context, uint64_t number) {
  if (number == 0) number = last_begun_;
  EventOutput output = OutputOf(event, context->TakeOutputs());
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
    std::vector<Lost> lost = LoseHub();
    if (const auto* const resumed = std::get_if<event::Resumed>(&event)) {
      // Without a resumption: the event that has just been deferred.
      const uint64_t owner = resumed->resumption == nullptr ? number : OwnerOf(*resumed);
      const auto begun = std::ranges::find(lost, owner, &Lost::number);
      if (begun != lost.end()) begun->failure = Hub::Failure::kStore;
    } else {
      const auto after = std::ranges::find_if(lost, [&](const Lost& each) { return each.number > number; });
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
    EndPart(false);
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
  Ask(sequel);
  if (sequel.durable) sequel.durable();
  if (sequel.span == nullptr) return;
  sequel.span->Set("dormouse.commit_us", (SpanClockNs() - sequel.handled_ns) / 1000);
  sequel.span->End();
}

void AwakeHub::Ask(const HubContext::Sequel& sequel) {
  open_questions_ += sequel.recalls.size() + sequel.confirms.size();
  for (const ConnectionId& closed : sequel.recalls) {
    host_->Recall(closed, shard_, [weak = weak_from_this(), closed](std::vector<std::string> frames) {
      const auto self = weak.lock();
      if (self == nullptr) return;
      --self->open_questions_;
      for (std::string& frame : frames) self->Deliver(Returned(closed, std::move(frame)));
      self->Deliver(event::Recalled{closed});
    });
  }
  for (const ConnectionId& open : sequel.confirms) {
    EventOutput fence;
    fence.shard = shard_.shard;
    fence.epoch = shard_.epoch;
    fence.outputs.push_back({DeliveryKind::kFence, {{open, {}}}, false, ""});
    fence.acknowledged = [weak = weak_from_this(), open] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      --self->open_questions_;
      self->Deliver(event::Confirmed{open});
    };
    host_->Release(std::move(fence));
  }
}

// --- It has failed.

void AwakeHub::TakeBack() {
  std::vector<Lost> lost = LoseHub();
  std::deque<OutputGate::TakenBack> taken = gate_.TakeBack();
  for (auto it = taken.rbegin(); it != taken.rend(); ++it) state_.Revert(std::move(it->undo));
  for (OutputGate::TakenBack& each : taken) {
    if (Is<event::Resumed>(each.handled.event)) continue;  // what it belongs to is handled again
    const auto failure = each.wrote ? std::optional(Hub::Failure::kStore) : std::nullopt;
    // The store may have carried it out all the same; and of a deferred one, what it did before is durable.
    if (auto* const from = std::get_if<event::FromGateway>(&each.handled.event)) from->repeated = true;
    lost.push_back({std::move(each.handled.event), each.handled.number, failure});
  }
  std::ranges::stable_sort(lost, {}, &Lost::number);
  HandleAgain(std::move(lost), true);
}

void AwakeHub::NoteLimit(Hub::Failure why) {
  const char* const option = OptionOf(why);
  const auto bit = static_cast<size_t>(why);
  if (option == nullptr || noted_limits_.test(bit)) return;
  noted_limits_.set(bit);
  const LogAbout about({.shard = shard_.shard, .hub = name_});
  SPDLOG_WARN("an event goes beyond {} and is refused; others like it will not be noted", option);
}

void AwakeHub::Fail(HubEvent event, Hub::Failure why, int64_t retry_after_ms) {
  NoteLimit(why);
  if (Is<event::Resumed>(event)) return;  // what it belongs to is handled again
  if (const auto* const request = std::get_if<event::Request>(&event)) {
    if (request->request->commands() != nullptr) {
      const std::string& refusal = request->request->refusal();
      return request->request->Finish(HubRequest::Outcome::kAnswered,
                                      refusal.empty() ? BackendCommands::ReplyTo(why) : refusal);
    }
    const bool store = why == Hub::Failure::kStore;
    return request->request->Finish(store ? HubRequest::Outcome::kStore : HubRequest::Outcome::kFailed,
                                    store ? "The store is not available" : "The hub has failed");
  }
  const auto* const from = std::get_if<event::FromGateway>(&event);
  if (from != nullptr && from->IsMessage() && why == Hub::Failure::kStore && hub_class_->waits_for_store()) {
    return SetAside(std::move(event), true);
  }
  if (from != nullptr && from->IsMessage() && hub_class_->closes_failed())
    return CloseFailed(std::move(event), why);
  if (from != nullptr && (from->IsMessage() || from->kind == EventKind::kOpen))
    return AnswerFailed(event, why, retry_after_ms);
  if (Is<event::AlarmDue>(event)) {
    HubContext context = NewContext(HubContext::Access::kReadWrite);
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
  // The class failed to handle it; the connection itself must go all the same.
  if (why != Hub::Failure::kStore && !ends_note) return FinishWithoutHub(std::move(event));
  // It happened, whether or not the store can note it now.
  if (const auto* const call = std::get_if<event::CallRoll>(&event)) roll_caller_.OnSetAside(*call);
  SetAside(std::move(event), false);
}

void AwakeHub::CloseFailed(HubEvent event, Hub::Failure why) {
  const ConnectionId connection = std::get<event::FromGateway>(event).connection();
  HubContext context = NewContext(HubContext::Access::kReadWrite);
  const bool worth_another_try = why == Hub::Failure::kStore || why == Hub::Failure::kOverAllowance;
  context.CloseUnknown(connection, worth_another_try ? kTryAgainLater : kInternalError, WhyClosed(why));
  try {
    if (!gate_.in_doubt()) state_.RemoveConnection(connection);
  } catch (const StoreAway&) {
    state_.RevertOpenChange();
  }  // where it could not be removed, its gateway tells of its end
  Complete(std::move(event), &context);
}

void AwakeHub::AnswerFailed(const HubEvent& event, Hub::Failure why, int64_t retry_after_ms) {
  const auto& from = std::get<event::FromGateway>(event);
  HubContext context = NewContext(HubContext::Access::kReadOnly);
  if (from.kind == EventKind::kOpen) {
    const uint16_t code = why == Hub::Failure::kStore ? kTryAgainLater : kInternalError;
    context.CloseUnknown(from.connection(), code, WhyNotOpened(why));
    return Release(event, OutputOf(event, context.TakeOutputs()), {});
  }
  context.set_retry_after_ms(retry_after_ms);
  const bool may_wait = state_.may_wait();
  state_.set_may_wait(false);
  try {
    const auto connection = state_.loaded() ? state_.FindConnection(from.connection()) : nullptr;
    const Connection unknown{from.connection(), 0, from.last_seen_ms, "", {}};
    // Not woken, which would take the state that may be out of reach.
    hub_class_->NewHub()->OnFailure(context, connection == nullptr ? unknown : *connection, MessageOf(from),
                                    why);
  } catch (const std::exception& error) {
    const LogAbout about({.shard = shard_.shard, .hub = name_, .connection = from.connection()});
    SPDLOG_WARN("could not tell a client of a failed message: {}", error.what());
  }
  state_.set_may_wait(may_wait);
  Release(event, OutputOf(event, context.TakeOutputs()), context.TakeSequel());
}

void AwakeHub::FinishWithoutHub(HubEvent event) {
  HubContext context = NewContext(HubContext::Access::kReadWrite);
  try {
    EventHandler(Parts(), nullptr, &context).FinishWithoutHub(event);
  } catch (const StoreAway&) {
    state_.RevertOpenChange();
    return Fail(std::move(event), Hub::Failure::kStore);
  }
  Complete(std::move(event), &context);
}

}  // namespace dormouse
