// All sockets are lost at once, by a reset as of a network that breaks, or by whoever kills a gateway. Each
// client comes back with back-off and jitter: how long until each, and the last, is where it was.
#include <algorithm>

#include "clients/load/engine/director.h"
#include "clients/load/scenarios/scenarios.h"

namespace dormouse::load {
namespace {

class StormPart : public Part {
 public:
  using Part::Part;

 private:
  void OnStep(Step step) override {
    connections().SetWhenLost(Connections::WhenLost::kComeBack);
    if (step != Step::kAct || settings().lost_by_server) return;
    for (uint32_t i = 0; i < connections().size(); ++i) {
      if (connections().is_ready(i)) connections().Break(i);
    }
  }

  void OnLost(uint32_t) override {
    int64_t never = 0;
    place_.board->lost_at.compare_exchange_strong(never, Now());
  }
  void OnReady(uint32_t, Nanos, bool) override {
    if (step() == Step::kAct) Record(0, Now() - place_.board->lost_at.load());
  }
};

bool Storm(Director* director, Board* board) {
  const Settings& settings = director->settings();
  const uint64_t lost = director->Look().counts[kLost];
  board->lost_at.store(settings.lost_by_server ? 0 : Now());
  director->Begin(Step::kAct);
  const auto has_begun = [&] {
    const uint64_t now = director->Look().counts[kLost] - lost;
    return settings.lost_by_server ? now > 0 : now >= settings.connections;
  };
  if (!director->WaitUntil(has_begun, settings.duration)) return false;
  // A gateway that dies loses its sockets within moments, and not before the first is noticed.
  if (settings.lost_by_server && !director->Wait(kSecond)) return false;
  const auto all_back = [&] { return director->Look().counts[kReady] == settings.connections; };
  return director->WaitUntil(all_back, settings.duration);
}

void Direct(Director* director) {
  const Settings& settings = director->settings();
  Board* const board = director->board();
  director->Open();
  director->StartMeasuring();
  bool back = true;
  double last_refusal = 0;
  for (uint32_t round = 0; round < settings.rounds && back && !director->stopped(); ++round) {
    back = Storm(director, board);
    for (uint32_t i = 0; i < director->crew().workers(); ++i) {
      const Nanos at = director->crew().slot(i).last_failed_try.load();
      last_refusal = std::max(last_refusal, ToSeconds(at - board->lost_at.load()));
    }
  }
  director->StopMeasuring();
  director->Do(Step::kSettle, settings.timeout);
  director->Verify();
  const Histogram times =
      director->AddLatency(0, "return", "from the loss to when a client was where it was");
  director->Add("lost", static_cast<double>(director->Measured(kLost)), "sockets");
  director->Add("last one back", static_cast<double>(times.longest()) / 1e9, "s");
  director->Add("refused tries", static_cast<double>(director->Measured(kFailedTries)), "");
  if (director->Measured(kFailedTries) > 0) director->Add("last refusal", last_refusal, "s after the loss");
  director->Add("resumed", static_cast<double>(director->Measured(kResumed)), "sessions");
  director->AddCpu(times.count(), "us/return");
  director->Add("verified", static_cast<double>(director->Look().counts[kVerified]), "connections");
  if (!back) {
    director->Fail(Fault::kMissing, settings.connections - director->Look().counts[kReady],
                   "not all clients have come back");
  }
  director->Finish();
}

}  // namespace

const Scenario kStorm = {"storm", NewPart<StormPart>, Direct};

}  // namespace dormouse::load
