// A hub in memory: its queue of events (input gate), the run of its handlers, and what waits for the store
// (output gate). Asleep, a hub has no such object.
//
//   Deliver -> queue -> handler on a fiber -> writes: pending commit, taken by the lane at the end of its
//   turn
//                                          -> sends:  in_flight_, released in order once the commits up to it
//                                          are durable
//
// A hub that is to be woken, or whose handler has to wait for the store, needs room among the lane's fibers;
// where there is none it waits for its turn (HubHost::RunSoon). A handler that finds that out on its way is
// taken back and begun anew then. One that needs no store runs at once, whatever others wait for.
//
// Events do not wait for commits; they pipeline, until what a hub has on its way to the store is a lot: then
// they wait, for hubs of one lane share its way there. When a commit fails, everything that ran on top of it
// is taken back: what wrote is answered with OnFailure, what did not write runs again. Since the fate of a
// failed commit is unknown, the hub reads itself anew before it next writes.
//
// Suspects. An event may end the process; then it is replayed to the next owner, and so on. After two owners
// of a shard have died, the events that were there before are suspects: of each process only one is under way
// at a time, and before it begins (before the hub class's code runs at all) that is noted in the hub's meta
// row. Whoever finds such a note of an owner that is no more, knows that this event was under way when it
// died, and gives it up: the hub is told, others pay nothing. For some time all events of such a hub are
// suspects; and when it does it again, none is handled for a while, so that a hub whose state is the poison
// does not take more and more processes with it. All this costs nothing while nobody dies.
//
// Threading: one lane's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/shard.h"
#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/allowances.h"
#include "statekeeper/runtime/hub/handler_clock.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

class AwakeHub : public std::enable_shared_from_this<AwakeHub> {
 public:
  AwakeHub(std::string name, const ShardEpoch& shard, const HubClass* hub_class, HubHost* host);
  ~AwakeHub();

  const std::string& name() const { return name_; }
  ShardId shard() const { return shard_.shard; }
  uint32_t epoch() const { return shard_.epoch; }
  // In which it lives: a hub of a later epoch is another object.
  const ShardEpoch& shard_epoch() const { return shard_; }

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
  struct PendingCommit {
    uint64_t number = 0;
    HubCommit commit;
  };
  PendingCommit TakeCommit();
  // The store's answer. Commits are answered in the order in which they were taken.
  void OnCommitted(uint64_t number, StoreStatus status);

  // Runs again what RetrySoon was called for.
  void RetryUnsettled();

  // See HubHost::AwaitSuspectTurn.
  void OnSuspectTurn();

  // The shard has another owner: handles and releases nothing more.
  void Depose();

  // A kGatewayGone for each vanished gateway that had sockets of this hub.
  std::vector<HubEvent> GoneGateways() const;

  // Asks a gateway which of its sockets of this hub are open.
  void CallRoll(GatewayId gateway);

  // --- For operators (lane_operator.h). Answered between two events, or with kNotOwner when the hub is
  // deposed.
  void Describe(LaneOperator::Answer<HubReport> done);
  void ListConnections(std::string after, size_t limit,
                       LaneOperator::Answer<std::vector<ConnectionReport>> done);

  // --- For a restore (lane_restore.cc), which changes the hub's rows under it.
  // Begins nothing more until Resume; what comes waits.
  void Suspend() { suspended_ = true; }
  bool is_suspended() const { return suspended_; }
  // Suspended: forgets what it has read. False: not yet, something is under way.
  bool ForgetState();
  // On a fiber or not.
  void Resume();

  // Whether nothing would be lost if this object went away now.
  bool CanSleep() const;
  // Whether nothing that has happened since it woke is a reason to stay (Context::DoNotStayAwake).
  bool IsDrowsy() const { return !stays_awake_; }
  // From the next event on that finds nothing of the hub's under way, the class is that one, with other
  // rules, and the limits are the host's of then: what the hub has in memory is made anew, as if it had
  // slept. Both classes live until hub_class() is the new one.
  void ChangeClass(const HubClass* changed);
  const HubClass* hub_class() const { return hub_class_; }
  // Since when nothing has happened here that counts as activity (SteadyMs).
  int64_t idle_since_ms() const { return idle_since_ms_; }
  const HubState& state() const { return state_; }
  // For who looks on. Since when it is in memory (SteadyMs); how long it took from then to the end of the
  // first event, reading the store included (0: not over yet); memory that the runtime knows of.
  int64_t awake_since_ms() const { return awake_since_us_ / 1000; }
  int64_t wake_us() const { return wake_us_; }
  size_t bytes() const;

  // Its place among the lane's hubs, ordered by idle time.
  std::list<AwakeHub*>::iterator place;

 private:
  // A handled event whose output waits for commits.
  struct InFlight {
    uint64_t commit = 0;  // released when this one and all before it are durable
    bool wrote = false;
    HubEvent event;
    EventOutput output;
    HubContext::Questions questions;
    HubState::Change undo;  // `undo` part only
    size_t bytes = 0;       // written
  };

  // Runs what there is to do, unless that is under way, or has to wait.
  void Pump();
  void WaitFor(WaitingLine line);
  // In which what is to be done next has to wait for room.
  WaitingLine LineForRoom() const;
  void RunQueue();
  enum class Handled {
    kYes,
    kPutBack,  // it is in the queue again, behind what has to come first
    kCrowded,  // the same; there is no room for it
  };
  Handled Handle(HubEvent event);
  void Dispatch(const HubEvent& event, HubContext* context);
  void HandleOpen(const HubEvent& event, HubContext* context);
  void HandlePresent(const HubEvent& event, HubContext* context);
  void HandleClose(const HubEvent& event, HubContext* context);
  void HandleMessage(const HubEvent& event, HubContext* context);
  void HandleBackpressure(const HubEvent& event, HubContext* context);
  void HandleAlarm(HubContext* context);
  void HandleGatewayGone(const HubEvent& event, HubContext* context);
  void HandleCloseAll(const HubEvent& event, HubContext* context);
  // Who has not called the roll in this epoch asks each gateway, one event each.
  void QueueRollCalls();
  void QueueRollCall(GatewayId gateway);
  void HandleRollCall(const HubEvent& event, HubContext* context);
  void AnswerQuestion();
  // Removes connections of the event's gateway (0: of all), and comes back later for more. `ended`: what to
  // do with each.
  void EndConnections(const HubEvent& gone, const std::function<void(const Connection&)>& ended);
  // Whether the next event has to wait for a change of class; makes the change where nothing is in its way.
  bool AwaitsNewClass();
  // Reads the hub, and queues what it has to do after its sleep.
  void Load();
  void EnsureHub();

  // A handler ended well: queues its writes, releases its output or keeps it until it may go.
  void Complete(HubEvent event, HubContext* context);
  void ReleaseOutput(EventOutput output, const HubContext::Questions& questions, const HubEvent& event);
  void OnRecalled(const ConnectionId& closed, std::vector<std::string> frames);
  void OnConfirmed(const ConnectionId& open);
  // Leaves memory, if it has no reason to stay.
  void SleepIfDrowsy();
  // Whether it must not overtake events that wait to be tried again.
  bool MustWaitForUnsettled(const HubEvent& event) const;
  // Whether the message's connection has cost too much of late: it was refused then.
  bool RefuseForCost(HubEvent* event);
  // To the log, of each kind once.
  void NoteLimit(Hub::Failure why);
  // A handler did not count; its writes have been taken back.
  void Fail(HubEvent event, Hub::Failure why, int64_t retry_after_ms = 0);
  void FailAlarm(Hub::Failure why);
  // Does the runtime's part of an event whose handler failed for good.
  void FinishWithoutHub(HubEvent event);
  // A commit failed: takes back and fails or requeues everything in flight.
  void FailInFlight();
  void RevertOpenChange();

  // --- Suspects (awake_hub_suspects.cc).
  // In which state the suspect is that comes next or is under way.
  enum class Suspicion {
    kNone,
    kAwaitsTurn,
    kHasTurn,
    kBeingNoted,
    kNoted,   // it may begin
    kEnding,  // it has ended; the note is being removed
  };
  // What is known of the hub by what was stored.
  void LearnSuspicion();
  bool IsSuspect(const HubEvent& event) const;
  // Whether the event at the head of the queue may begin. May put something before it.
  bool MayBegin();
  // It has been handled.
  void EndSuspect(bool gave_up);
  // A kNoteSuspect or kClearSuspect could not be made durable.
  void FailNote(HubEvent event);
  void NoteSuspect();
  // The note, or its end, is durable.
  void OnNoted(const HubEvent& event);
  // Whether this event is not to be handled: a note says so, or the hub is not to run for a while. Logs.
  bool IsCondemned(const HubEvent& event, bool* gave_up);
  // Until when no event of the hub is handled (wall clock); 0: they are.
  int64_t QuarantineEndMs() const;
  // The same for its probation, in which all are suspects.
  int64_t ProbationEndMs() const;

  EventOutput OutputOf(const HubEvent& event, std::vector<Output> outputs) const;
  HubContext NewContext(HubContext::Access access);

  const std::string name_;
  const ShardEpoch shard_;
  const HubClass* hub_class_;
  const HubClass* next_class_ = nullptr;  // see ChangeClass
  HubHost* const host_;
  HandlerClock clock_;
  Allowances allowances_;
  HubState state_;
  const HubContext::Surroundings surroundings_;
  std::unique_ptr<Hub> hub_;  // nullptr: to be made (OnWake) before the next event

  std::deque<HubEvent> queue_;
  bool running_ = false;  // a fiber works on the queue, maybe suspended
  bool waits_ = false;    // for Run
  bool suspended_ = false;
  size_t open_questions_ = 0;  // recalls and confirms that no gateway has answered
  // Of operators: run on a fiber, and may wait for the store. With kNotOwner: nothing can be read any more.
  std::deque<std::function<void(OperatorStatus)>> questions_;
  std::set<GatewayId> roll_calls_;  // gateways with a kRollCall on its way
  bool deposed_ = false;
  int64_t idle_since_ms_ = 0;
  bool was_active_ = false;       // in this run of the queue
  bool stays_awake_ = false;      // since it woke
  const int64_t awake_since_us_;  // steady clock
  int64_t wake_us_ = 0;

  std::deque<InFlight> in_flight_;
  size_t bytes_in_flight_ = 0;
  std::map<std::string, std::optional<std::string>> pending_rows_;  // writes of this turn
  std::optional<int64_t> pending_due_;
  bool commit_soon_ = false;
  uint64_t next_commit_ = 1;  // number of the commit that this turn's writes go into
  bool commit_failed_ = false;
  bool stale_ = false;  // the store may hold more than memory knows
  std::set<Hub::Failure> noted_limits_;

  Suspicion suspicion_ = Suspicion::kNone;
  bool on_probation_ = false;
  std::optional<stored::HubMeta::Begun> condemned_;  // found in a note

  std::vector<HubEvent> unsettled_;  // to be tried again
  bool alarm_delivered_ = false;     // between a kAlarm and AlarmDone
  uint64_t alarm_generation_ = 0;    // counts changes of the alarm by handlers other than OnAlarm's
};

}  // namespace dormouse
