// Suspects, see awake_hub.h.
//
//   kNone -> kAwaitsTurn -> kHasTurn -> kBeingNoted -> kNoted: handled -> kEnding -> kNone
//
// Between kHasTurn and kNone the hub has the turn of the process. The note, and its end, are events of the
// hub's own that only write: kBeingNoted and kEnding last until those writes are durable.
#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/runtime/hub/awake_hub.h"

namespace dormouse {
namespace {

// All events of a hub are suspects for so long after one was given up.
constexpr int64_t kProbationMs = 600'000;
// From the second one on none is handled for a while: at first so long, then twice as long each time.
constexpr int64_t kFirstQuarantineMs = 60'000;
constexpr uint32_t kMostDoublings = 6;

const char* NameOf(HubEvent::Kind kind) {
  switch (kind) {
    case HubEvent::Kind::kOpen:
      return "an open";
    case HubEvent::Kind::kText:
    case HubEvent::Kind::kBinary:
      return "a message";
    case HubEvent::Kind::kClose:
      return "a close";
    case HubEvent::Kind::kGatewayGone:
      return "the loss of a gateway";
    case HubEvent::Kind::kAlarm:
      return "its alarm";
    default:
      return "an event";
  }
}

}  // namespace

int64_t AwakeHub::QuarantineEndMs() const {
  const stored::HubMeta::GivenUp& given_up = state_.meta().given_up();
  if (given_up.count() < 2) return 0;
  return given_up.last_ms() + (kFirstQuarantineMs << std::min(given_up.count() - 2, kMostDoublings));
}

int64_t AwakeHub::ProbationEndMs() const {
  const stored::HubMeta::GivenUp& given_up = state_.meta().given_up();
  if (given_up.count() == 0) return 0;
  return std::max(given_up.last_ms(), QuarantineEndMs()) + kProbationMs;
}

void AwakeHub::LearnSuspicion() {
  const stored::HubMeta& meta = state_.meta();
  const uint32_t most = host_->max_attempts();
  if (meta.has_begun() && meta.begun().epoch() != shard_.epoch && most != 0 &&
      meta.begun().attempts() >= most) {
    condemned_ = meta.begun();
  }
  on_probation_ = most != 0 && ProbationEndMs() > WallMs();
  if (!on_probation_ && meta.has_given_up()) state_.SetGivenUp(0, 0);
}

bool AwakeHub::IsSuspect(const HubEvent& event) const {
  if (event.attempts != 0) return true;
  return on_probation_ && (event.IsFromGateway() || event.kind == HubEvent::Kind::kAlarm ||
                           event.kind == HubEvent::Kind::kGatewayGone);
}

bool AwakeHub::MayBegin() {
  const HubEvent& next = queue_.front();
  // None of the class's code runs until the note is durable.
  if (suspicion_ == Suspicion::kBeingNoted) return next.kind == HubEvent::Kind::kNoteSuspect;
  if (!IsSuspect(next)) return true;
  switch (suspicion_) {
    case Suspicion::kNone:
      if (state_.loaded() && QuarantineEndMs() > WallMs()) return true;  // to be refused
      suspicion_ = Suspicion::kAwaitsTurn;
      host_->AwaitSuspectTurn(shared_from_this());
      return false;
    case Suspicion::kHasTurn: {
      suspicion_ = Suspicion::kBeingNoted;
      HubEvent note;
      note.kind = HubEvent::Kind::kNoteSuspect;
      queue_.push_front(std::move(note));
      return true;  // of that
    }
    case Suspicion::kNoted:
      return true;
    case Suspicion::kAwaitsTurn:
    case Suspicion::kBeingNoted:
    case Suspicion::kEnding:
      break;
  }
  return false;
}

void AwakeHub::OnSuspectTurn() {
  if (deposed_) return host_->EndSuspectTurn();
  suspicion_ = Suspicion::kHasTurn;
  if (!running_ && !waits_) WaitFor(WaitingLine::kReady);
}

void AwakeHub::NoteSuspect() {
  const auto suspect =
      std::find_if(queue_.begin(), queue_.end(), [this](const HubEvent& event) { return IsSuspect(event); });
  if (suspect == queue_.end()) return;
  stored::HubMeta::Begun begun;
  begun.set_gateway(suspect->gateway);
  begun.set_sequence(suspect->sequence);
  begun.set_epoch(shard_.epoch);
  // On probation it has no further attempt.
  begun.set_attempts(on_probation_ ? host_->max_attempts() : suspect->attempts);
  state_.SetBegun(begun);
}

void AwakeHub::EndSuspect(bool gave_up) {
  if (suspicion_ != Suspicion::kNone) suspicion_ = Suspicion::kEnding;
  HubEvent end;
  end.kind = gave_up ? HubEvent::Kind::kNoteGivenUp : HubEvent::Kind::kClearSuspect;
  queue_.push_front(std::move(end));
  on_probation_ = gave_up || (on_probation_ && ProbationEndMs() > WallMs());
}

void AwakeHub::OnNoted(const HubEvent& event) {
  if (event.kind == HubEvent::Kind::kNoteSuspect && suspicion_ == Suspicion::kBeingNoted) {
    suspicion_ = Suspicion::kNoted;
  } else if (event.kind == HubEvent::Kind::kClearSuspect || event.kind == HubEvent::Kind::kNoteGivenUp) {
    suspicion_ = Suspicion::kNone;
    host_->EndSuspectTurn();
  }
}

void AwakeHub::FailNote(HubEvent event) {
  if (event.kind != HubEvent::Kind::kNoteSuspect) {
    // The turn is kept until it is known that the note is gone.
    if (unsettled_.empty()) host_->RetrySoon(shared_from_this());
    unsettled_.push_back(std::move(event));
    return;
  }
  // Without the note it must not begin: the store is away, as for any event that has to write.
  suspicion_ = Suspicion::kNone;
  host_->EndSuspectTurn();
  const auto suspect =
      std::find_if(queue_.begin(), queue_.end(), [this](const HubEvent& each) { return IsSuspect(each); });
  if (suspect == queue_.end()) return;
  HubEvent failed = std::move(*suspect);
  queue_.erase(suspect);
  Fail(std::move(failed), Hub::Failure::kStore);
}

bool AwakeHub::IsCondemned(const HubEvent& event, bool* gave_up) {
  // Of the alarm, and of a vanished gateway, there is one.
  const bool has_cause = event.IsFromGateway() || event.kind == HubEvent::Kind::kAlarm ||
                         event.kind == HubEvent::Kind::kGatewayGone;
  if (condemned_ && has_cause && condemned_->sequence() == event.sequence &&
      condemned_->gateway() == event.gateway) {
    const LogAbout about({.shard = shard_.shard, .hub = name_});
    SPDLOG_ERROR(
        "{} (gateway {:x}, sequence {}) was under way when its owner died, of {} in a row; it is given up",
        NameOf(event.kind), event.gateway, event.sequence, condemned_->attempts());
    host_->CountGivenUp();
    condemned_.reset();
    *gave_up = true;
    return true;
  }
  if (!on_probation_ || !IsSuspect(event)) return false;
  return QuarantineEndMs() > WallMs();
}

}  // namespace dormouse
