// A hub in memory: handles its events one after the other. Asleep, a hub has no such object.
//
//   Deliver -> InputQueue -> EventHandler, on a fiber -> writes, output -> OutputGate -> HubHost::Release
//                                 |                                           |
//                              HubState, HubContext                 commits: TakeCommit, OnCommitted
//
// The ideas are in its parts: what waits to be handled (input_queue.h), what is done with it
// (event_handler.h), by which object of its class (hub_object.h), what the hub knows (hub_state.h), what comes first
// when it has been read (waking.h), what waits for the store (output_gate.h), calls of other hubs (handler_calls.h),
// what it asks gateways (gateway_questions.h), the run of its alarm (alarm_run.h), its agreement with gateways
// (roll_caller.h), events that end processes (poison_guard.h), events that go on after their handlers
// (deferred_events.h), that are lost (lost_events.h), or have failed (failure_answers.h), what clients may cost
// (allowances.h, handler_clock.h). Here is the turn: what is next, may it begin, how it has ended.
//
// A hub that is to be woken, or whose handler has to wait for the store, needs room among the lane's fibers;
// where there is none it waits for its turn (HubHost::RunSoon). A handler that finds that out on its way is
// taken back and begun anew then. One that needs no store runs at once, whatever others wait for.
//
// When a commit fails, everything that ran on top of it is taken back: what wrote is answered with OnFailure,
// what did not write runs again. Since the fate of a failed commit is unknown, the hub reads itself anew
// before it next writes.
//
// One lane's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/shard.h"
#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/alarm_run.h"
#include "statekeeper/runtime/hub/allowances.h"
#include "statekeeper/runtime/hub/deferred_events.h"
#include "statekeeper/runtime/hub/event_handler.h"
#include "statekeeper/runtime/hub/failure_answers.h"
#include "statekeeper/runtime/hub/gateway_questions.h"
#include "statekeeper/runtime/hub/handler_calls.h"
#include "statekeeper/runtime/hub/handler_clock.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/hub/hub_object.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/runtime/hub/input_queue.h"
#include "statekeeper/runtime/hub/lost_events.h"
#include "statekeeper/runtime/hub/output_gate.h"
#include "statekeeper/runtime/hub/poison_guard.h"
#include "statekeeper/runtime/hub/roll_caller.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

class AwakeHub : public std::enable_shared_from_this<AwakeHub> {
 public:
  AwakeHub(std::string name, const ShardEpoch& shard, const HubClass* hub_class, HubHost* host);
  ~AwakeHub();

  const std::string& name() const { return name_; }
  // In which it lives: a hub of a later epoch is another object.
  const ShardEpoch& shard() const { return shard_; }

  // Takes an event; runs it now if nothing is in its way.
  void Deliver(HubEvent event);
  // Takes an event, to run in its turn: for what comes to many hubs at once.
  void DeliverSoon(HubEvent event);
  // Takes events that have waited for it to be woken, and runs them as Run does.
  void Start(std::vector<HubEvent> events, bool may_wait);
  // Its turn has come, see HubHost::RunSoon. `may_wait` false: it has waited for too long, as long as the
  // store may take to answer; what needs the store fails.
  void Run(bool may_wait = true);

  // The writes of this turn, to be committed with that number. Called once after each CommitSoon.
  OutputGate::Commit TakeCommit() { return gate_.TakeCommit(name_); }
  // The store's answer. Commits are answered in the order in which they were taken.
  void OnCommitted(uint64_t number, StoreStatus status);

  // Tries again what RetrySoon was called for.
  void Retry();

  // See HubHost::AwaitSuspectTurn.
  void OnSuspectTurn();

  // The shard has another owner: handles and releases nothing more.
  void Depose();

  // Ends the connections of gateways that are gone.
  void EndGoneGateways();

  // Whether nothing would be lost that gateways do not send again: what keeps it here is at most that handlers have
  // deferred events, or hold the hub.
  bool CanBeAbandoned() const;
  // Lets go of those: the events that are not done, in their order. CanSleep afterwards.
  std::vector<HubEvent> Abandon();

  // Asks a gateway which of its sockets of this hub are open.
  void CallRoll(GatewayId gateway);

  // --- For operators (lane_operator.h). Answered between two events, or with kNotOwner when the hub is
  // deposed.
  void Describe(LaneOperator::Answer<HubReport> done);
  void ListConnections(std::string after, size_t limit,
                       LaneOperator::Answer<std::vector<ConnectionReport>> done);

  // --- For a restore (hub_restorer.h), which changes the hub's rows under it.
  // Begins nothing more until Thaw; what comes waits.
  void Freeze() { frozen_ = true; }
  bool is_frozen() const { return frozen_; }
  // Frozen: forgets what it has read. False: not yet, something is under way.
  bool ForgetState();
  // On a fiber or not.
  void Thaw();

  // Whether nothing would be lost if this object went away now.
  bool CanSleep() const;
  // Whether nothing that has happened since it woke is a reason to stay (Context::DoNotStayAwake).
  bool IsDrowsy() const { return !activity_.stays_awake; }
  // From the next event on that finds nothing of the hub's under way, the class is that one, with other
  // rules, and the limits are the host's of then: what the hub has in memory is made anew, as if it had
  // slept. Both classes live until hub_class() is the new one.
  void ChangeClass(const HubClass* changed) { object_.ChangeClass(changed); }
  const HubClass* hub_class() const { return object_.hub_class(); }
  // Since when nothing has happened here that counts as activity (SteadyMs).
  int64_t idle_since_ms() const { return activity_.idle_since_ms; }
  // For who looks on. Since when it is in memory (SteadyMs); how long it took from then to the end of the
  // first event, reading the store included (0: not over yet); memory that the runtime knows of.
  int64_t awake_since_ms() const { return activity_.awake_since_us / 1000; }
  int64_t wake_us() const { return activity_.wake_us; }
  size_t bytes() const;

  // Its place among the lane's hubs, ordered by idle time.
  std::list<AwakeHub*>::iterator place;

 private:
  struct Activity {
    int64_t idle_since_ms = 0;
    int64_t awake_since_us = 0;  // steady clock
    int64_t wake_us = 0;
    bool in_this_run = false;  // of the queue
    bool stays_awake = false;  // some, since it woke
  };

  // Drops the object; its events that are deferred are handled again by the next one. `at_fault`: one of them may be
  // why.
  void DropObject(bool at_fault = false) { HandleAgain(LoseObject(at_fault), false); }
  // Drops the object. The events that it had deferred.
  std::vector<LostEvent> LoseObject(bool at_fault = false);
  // What is to be handled again is, in this order and before what has not begun. `store_away`: it would fail again now;
  // where it is worth waiting, nothing overtakes what waits for the store.
  void HandleAgain(std::vector<LostEvent> lost, bool store_away);
  void SetAside(HubEvent event, bool in_order);

  // Runs what there is to do, unless that is under way, or has to wait.
  void Pump();
  // Waits for its turn, unless it runs or waits already.
  void RunSoon(WaitingLine line);
  // In which what is to be done next has to wait for room.
  WaitingLine LineForRoom() const;
  void RunQueue();
  // A run of the queue is over. `wait`: in which line it waits to go on.
  void EndRun(std::optional<WaitingLine> wait);
  // Whether the event at the head of the queue, if it may begin some time, may do so now.
  bool MayBegin();
  // Leaves memory, if it has no reason to stay.
  void SleepIfDrowsy();

  enum class Outcome {
    kHandled,
    kPutBack,  // it is in the queue again, behind what has to come first
    kCrowded,  // the same; there is no room for it
  };
  Outcome Handle(HubEvent event);
  // Whether the event is not to be handled now. It has been dealt with then: with that outcome.
  std::optional<Outcome> Divert(HubEvent* event);
  // Whether its connection has cost too much of late: it was refused then.
  bool RefuseForCost(HubEvent* event);
  // Whether it may be what ends processes: the same.
  bool RefuseAsPoison(HubEvent* event);
  // Throws where it does not count.
  void CallHandler(const HubEvent& event, HubContext* context);
  // What the event's handler can do.
  void Equip(const HubEvent& event, HubContext* context);
  // Its handler has returned, or failed.
  void Conclude(HubEvent event, HubContext* context, std::optional<Hub::Failure> failure);
  // A resumption has run well.
  void Finish(const event::Resumed& resumed, HubContext* context);
  // It has not.
  void FailResumed(const event::Resumed& resumed, Hub::Failure why);

  // A handler ended well: its output leaves, or waits for the commits that it needs. `number`: of the event's
  // beginning, if that is not the one that began last.
  void Complete(HubEvent event, HubContext* context, uint64_t number = 0);
  void Release(const HubEvent& event, EventOutput output, const HubContext::Sequel& sequel);

  // A handler did not count; its writes have been taken back.
  void Fail(HubEvent event, Hub::Failure why, int64_t retry_after_ms = 0);
  // A commit failed: takes back and fails or requeues everything that needs it.
  void RollBack();

  const std::string name_;
  const ShardEpoch shard_;
  HubHost* const host_;
  HubObject object_;
  uint64_t last_begun_ = 0;  // events are numbered as they begin

  HandlerClock clock_;
  Allowances allowances_;
  HubState state_;
  InputQueue queue_;
  DeferredEvents deferred_;
  std::map<uint64_t, std::unique_ptr<OpenSpan>>
      deferred_spans_;  // of those that are traced, by their numbers
  OutputGate gate_;
  AlarmRun alarm_;
  RollCaller roll_caller_;
  PoisonGuard poison_;
  const HubContext::Surroundings surroundings_;
  const EventHandler::Parts parts_;
  HandlerCalls calls_;
  GatewayQuestions gateway_questions_;
  FailureAnswers failures_;

  bool running_ = false;  // a fiber works on the queue, maybe suspended
  bool waits_ = false;    // for Run
  bool frozen_ = false;
  bool deposed_ = false;
  // Of operators: run on a fiber, and may wait for the store. With kNotOwner: nothing can be read any more.
  std::list<std::function<void(OperatorStatus)>> questions_;
  Activity activity_;
};

}  // namespace dormouse
