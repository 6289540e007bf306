#include "statekeeper/runtime/hub/poison_guard.h"

#include <algorithm>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

// All events of a hub are suspects for so long after one was given up.
constexpr int64_t kProbationMs = 600'000;
// From the second one on none is handled for a while: at first so long, then twice as long each time.
constexpr int64_t kFirstQuarantineMs = 60'000;
constexpr uint32_t kMostDoublings = 6;

// What a note calls an event: of the alarm, and of a vanished gateway, there is one at a time.
struct SuspectId {
  GatewayId gateway = 0;
  uint64_t sequence = 0;
  const char* name = "";
};

// Of what may run the hub class's code, and be the reason of a death.
std::optional<SuspectId> IdOf(const HubEvent& event) {
  if (Is<event::AlarmDue>(event)) return SuspectId{.name = "its alarm"};
  if (const auto* const gone = std::get_if<event::GatewayGone>(&event))
    return SuspectId{.gateway = gone->gateway, .name = "the loss of a gateway"};
  const event::FromGateway* const from = FindUnsettled(event);
  if (from == nullptr) return std::nullopt;
  const char* name = "an event";
  if (from->IsMessage()) name = "a message";
  if (from->kind == EventKind::kOpen) name = "an open";
  if (from->kind == EventKind::kClose) name = "a close";
  return SuspectId{from->gateway, from->sequence, name};
}

}  // namespace

int64_t PoisonGuard::QuarantineEndMs() const {
  const stored::HubMeta::GivenUp& given_up = state_->meta().given_up();
  if (given_up.count() < 2) return 0;
  return given_up.last_ms() + (kFirstQuarantineMs << std::min(given_up.count() - 2, kMostDoublings));
}

int64_t PoisonGuard::ProbationEndMs() const {
  const stored::HubMeta::GivenUp& given_up = state_->meta().given_up();
  if (given_up.count() == 0) return 0;
  return std::max(given_up.last_ms(), QuarantineEndMs()) + kProbationMs;
}

void PoisonGuard::Learn() {
  const stored::HubMeta& meta = state_->meta();
  const uint32_t most = host_->max_attempts();
  if (meta.has_begun() && meta.begun().epoch() != shard_.epoch && most != 0 &&
      meta.begun().attempts() >= most) {
    condemned_ = meta.begun();
  }
  on_probation_ = most != 0 && ProbationEndMs() > WallMs();
  if (!on_probation_ && meta.has_given_up()) state_->SetGivenUp(0, 0);
}

bool PoisonGuard::IsSuspect(const HubEvent& event) const {
  return AttemptsOf(event) != 0 || (on_probation_ && IdOf(event));
}

PoisonGuard::Verdict PoisonGuard::Judge() {
  const HubEvent& next = queue_->front();
  // None of the class's code runs until the note is durable.
  if (stage_ == Stage::kBeingNoted) return Is<event::NoteSuspect>(next) ? Verdict::kBegin : Verdict::kWait;
  if (!IsSuspect(next)) return Verdict::kBegin;
  switch (stage_) {
    case Stage::kNone:
      if (state_->loaded() && QuarantineEndMs() > WallMs()) return Verdict::kBegin;  // to be refused
      stage_ = Stage::kAwaitsTurn;
      return Verdict::kAskForTurn;
    case Stage::kHasTurn:
      stage_ = Stage::kBeingNoted;
      queue_->AddFirst(event::NoteSuspect{});
      return Verdict::kBegin;  // of that
    case Stage::kNoted:
      return Verdict::kBegin;
    case Stage::kAwaitsTurn:
    case Stage::kBeingNoted:
    case Stage::kBeingCleared:
      break;
  }
  return Verdict::kWait;
}

PoisonGuard::Refusal PoisonGuard::Refuse(const HubEvent& event) {
  const std::optional<SuspectId> id = condemned_ ? IdOf(event) : std::nullopt;
  if (id && condemned_->sequence() == id->sequence && condemned_->gateway() == id->gateway) {
    const LogAbout about({.shard = shard_.shard, .hub = hub_});
    SPDLOG_ERROR(
        "{} (gateway {:x}, sequence {}) was under way when its owner died, of {} in a row; it is given up",
        id->name, id->gateway, id->sequence, condemned_->attempts());
    host_->CountGivenUp();
    condemned_.reset();
    return Refusal::kGivenUp;
  }
  const bool quarantined = on_probation_ && IsSuspect(event) && QuarantineEndMs() > WallMs();
  return quarantined ? Refusal::kQuarantined : Refusal::kNone;
}

void PoisonGuard::End(bool given_up) {
  if (stage_ != Stage::kNone) stage_ = Stage::kBeingCleared;
  queue_->AddFirst(given_up ? HubEvent(event::NoteGivenUp{}) : HubEvent(event::ClearSuspect{}));
  on_probation_ = given_up || (on_probation_ && ProbationEndMs() > WallMs());
}

void PoisonGuard::Handle(const event::NoteSuspect&) {
  const HubEvent* const suspect = queue_->Find([this](const HubEvent& event) { return IsSuspect(event); });
  if (suspect == nullptr) return;
  const SuspectId id = IdOf(*suspect).value_or(SuspectId{});
  stored::HubMeta::Begun begun;
  begun.set_gateway(id.gateway);
  begun.set_sequence(id.sequence);
  begun.set_epoch(shard_.epoch);
  // On probation it has no further attempt.
  begun.set_attempts(on_probation_ ? host_->max_attempts() : AttemptsOf(*suspect));
  state_->SetBegun(begun);
}

void PoisonGuard::Handle(const event::NoteGivenUp&, int64_t now_ms) {
  state_->ClearBegun();
  state_->SetGivenUp(state_->meta().given_up().count() + 1, now_ms);
}

void PoisonGuard::OnReleased(const HubEvent& event) {
  if (stage_ == Stage::kNone) return;
  if (Is<event::NoteSuspect>(event) && stage_ == Stage::kBeingNoted) {
    stage_ = Stage::kNoted;
  } else if (Is<event::ClearSuspect>(event) || Is<event::NoteGivenUp>(event)) {
    stage_ = Stage::kNone;
    host_->EndSuspectTurn();
  }
}

std::optional<HubEvent> PoisonGuard::OnNoteFailed() {
  stage_ = Stage::kNone;
  host_->EndSuspectTurn();
  return queue_->Extract([this](const HubEvent& event) { return IsSuspect(event); });
}

void PoisonGuard::Depose() {
  if (stage_ > Stage::kAwaitsTurn) host_->EndSuspectTurn();
  stage_ = Stage::kNone;
}

}  // namespace dormouse
