// Keeps an event that ends the process from ending one process after the other.
//
// Such an event (a poison message) is replayed to the next owner, and so on. After two owners of a shard have
// died, the events that were there before are suspects: of each process only one is under way at a time
// (suspect_turn.h), and before it begins, before any of the hub class's code runs, that is noted in the hub's
// meta row. Whoever finds such a note of an owner that is no more, knows that this event was under way when
// it died, and gives it up: the hub is told, others pay nothing.
//
// For some time all events of such a hub are suspects (probation); and when it does it again, none is handled
// for a while (quarantine), so that a hub whose state is the poison does not take more and more processes
// with it.
//
//   kNone -> kAwaitsTurn -> kHasTurn -> kBeingNoted -> kNoted: handled -> kBeingCleared -> kNone
//
// Between kHasTurn and kNone the hub has the turn of the process. The note, and its end, are events of the
// hub's own that only write: kBeingNoted and kBeingCleared last until those writes are durable. All this
// costs nothing while nobody dies.
//
// One lane's thread. A part of an awake hub.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/shard.h"
#include "proto/stored.pb.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/runtime/hub/input_queue.h"

namespace dormouse {

class PoisonGuard {
 public:
  // All outlive it.
  PoisonGuard(const std::string& hub, const ShardEpoch& shard, HubState* state, InputQueue* queue,
              HubHost* host)
      : hub_(hub), shard_(shard), state_(state), queue_(queue), host_(host) {}

  // The hub has been read: what is known of it.
  void Learn();
  // The hub is to be read anew.
  void Forget() { condemned_.reset(); }

  bool IsSuspect(const HubEvent& event) const;
  // Whether the hub has, or awaits, the process' turn.
  bool is_engaged() const { return stage_ != Stage::kNone; }
  // Whether the event at the head of the queue may begin. May put a note before it, which may.
  enum class Verdict {
    kBegin,
    kWait,
    kAskForTurn,  // HubHost::AwaitSuspectTurn, then OnTurn
  };
  Verdict Judge();
  void OnTurn() { stage_ = Stage::kHasTurn; }
  // The suspect that is noted may run; its note is durable.
  bool IsNoted() const { return stage_ == Stage::kNoted; }

  // Whether an event is to fail as kPoison instead of being handled.
  enum class Refusal {
    kNone,
    kGivenUp,      // it was under way when its owners died. Logs
    kQuarantined,  // the hub is not to run for a while
  };
  Refusal Refuse(const HubEvent& event);
  // A suspect has been handled, or given up: queues what notes that.
  void End(bool given_up);

  // --- Its own events.
  void Handle(const event::NoteSuspect&);
  void Handle(const event::ClearSuspect&) { state_->ClearBegun(); }
  void Handle(const event::NoteGivenUp&, int64_t now_ms);
  // An event's writes are durable.
  void OnReleased(const HubEvent& event);
  // The note could not be made durable, so the suspect must not begin: that one, to fail as any event that
  // has to write; it is in the queue no more.
  std::optional<HubEvent> OnNoteFailed();

  // Gives its turn back, if it has one.
  void Depose();

  // Until when no event of the hub is handled (wall clock); 0: they are.
  int64_t QuarantineEndMs() const;

 private:
  enum class Stage { kNone, kAwaitsTurn, kHasTurn, kBeingNoted, kNoted, kBeingCleared };

  // The same for its probation.
  int64_t ProbationEndMs() const;

  const std::string& hub_;
  const ShardEpoch shard_;
  HubState* const state_;
  InputQueue* const queue_;
  HubHost* const host_;
  Stage stage_ = Stage::kNone;
  bool on_probation_ = false;
  std::optional<stored::HubMeta::Begun> condemned_;  // found in a note
};

}  // namespace dormouse
