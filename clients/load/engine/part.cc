#include "clients/load/engine/part.h"

#include <algorithm>

#include "clients/load/talk/echo_talk.h"
#include "clients/load/talk/raw_talk.h"
#include "clients/load/talk/script_talk.h"

namespace dormouse::load {
namespace {

// Verified at a time, by each worker.
constexpr uint64_t kVerifying = 64;

std::unique_ptr<Talk> TalkOf(Workplace* place) {
  const Settings& settings = place->settings;
  Connections& connections = place->connections;
  Voice* const voice = connections.voice();
  const uint32_t first = connections.first();
  const uint32_t count = connections.size();
  if (settings.script) return std::make_unique<ScriptTalk>(voice, settings.script, first, count);
  if (settings.hub_class == "raw") return std::make_unique<RawTalk>(voice, first, settings.size);
  if (settings.hub_class == "echo") return std::make_unique<EchoTalk>(voice, first, count, settings.size);
  return std::make_unique<SignalTalk>(voice, SignalOptionsOf(*place));
}

}  // namespace

Workplace::Workplace(const Settings& run, uint32_t number, Board* shared, Slot* own)
    : settings(run),
      plan(run),
      worker(number),
      board(shared),
      slot(own),
      connections(run, plan.FirstOf(number), plan.FirstOf(number + 1) - plan.FirstOf(number), own) {}

SignalTalk::Options SignalOptionsOf(const Workplace& place) {
  const Settings& settings = place.settings;
  return {.first = place.connections.first(),
          .count = place.connections.size(),
          .size = settings.size,
          .actors = settings.actors,
          .tokens = &settings.tokens,
          .topic = {},
          .resume = settings.resume};
}

Part::Part(Workplace* place) : Part(place, TalkOf(place)) {}

Part::Part(Workplace* place, std::unique_ptr<Talk> talk) : place_(*place), talk_(std::move(talk)) {
  connections().Use(talk_.get(), this);
}

void Part::Begin(Step step) {
  step_ = step;
  opening_beats_ =
      step == Step::kOpen && BeatsWhileOpening() && talk_->has_beats()
          ? Pace(Now() + settings().beat_interval, connections().size() / ToSeconds(settings().beat_interval))
          : Pace();
  if (step == Step::kOpen) connections().OpenAll();
  OnStep(step);
  if (step == Step::kVerify) VerifySome();
  if (step == Step::kClose) {
    connections().CountMissing();
    for (uint32_t i = 0; i < connections().size(); ++i) connections().Close(i);
  }
}

Nanos Part::DoWhatIsDue(Nanos now) { return std::min(Beat(&opening_beats_, now), Act(now)); }

Nanos Part::Beat(Pace* beats, Nanos now) {
  for (; beats->due() <= now; beats->Take(now)) {
    const auto connection = static_cast<uint32_t>(beats->done() % connections().size());
    if (connections().is_ready(connection)) connections().Beat(connection, beats->due());
  }
  return beats->due();
}

bool Part::IsDone() {
  switch (step_) {
    case Step::kOpen:
      return connections().ready() == connections().size();
    case Step::kAct:
      return HasActed();
    case Step::kSettle:
      return connections().outstanding() == 0 && !IsBusy();
    case Step::kVerify:
      return to_verify_ == connections().size() && connections().outstanding() == 0;
    case Step::kNone:
    case Step::kClose:
      break;
  }
  return true;
}

void Part::VerifySome() {
  while (to_verify_ < connections().size() && connections().outstanding() < kVerifying) {
    const uint32_t connection = to_verify_++;
    if (!connections().is_ready(connection)) continue;
    if (settings().verify_by_message) {
      connections().Ask(connection, Now());
    } else {
      connections().Beat(connection, Now());
    }
  }
}

void Part::OnReply(uint32_t connection, uint32_t number, Nanos asked) {
  if (step_ != Step::kVerify) return OnAnswer(connection, number, asked);
  place_.slot->Count(kVerified);
  VerifySome();
}

void Part::OnBeat(uint32_t connection, Nanos asked) {
  if (step_ == Step::kOpen) return;
  if (step_ != Step::kVerify) return OnHeartbeat(connection, asked);
  place_.slot->Count(kVerified);
  VerifySome();
}

}  // namespace dormouse::load
