// Hubs that have fallen asleep get a request each, one after the other, and one more right behind it: what
// waking takes is how much longer the first one lasts.
#include "clients/load/engine/director.h"
#include "clients/load/scenarios/scenarios.h"

namespace dormouse::load {
namespace {

constexpr size_t kAsleep = 0;
constexpr size_t kAwake = 1;

class WakePart : public Part {
 public:
  using Part::Part;

  Nanos Act(Nanos now) override {
    if (step() != Step::kAct || HasActed()) return kNever;
    // What never comes is missing in the end; the next hub has its turn.
    if (now >= asked_ + settings().timeout) GoOn(kAwake);
    return asked_ + settings().timeout;
  }

 private:
  // Where the edge does not answer them, they would keep hubs awake.
  bool BeatsWhileOpening() const override { return false; }
  void OnStep(Step step) override {
    if (step != Step::kAct) return;
    hub_ = 0;
    ++round_;
    Ask(kAsleep);
  }
  bool HasActed() override { return hub_ * settings().per_hub >= connections().size(); }

  // Rounds take the connections of a hub in turn.
  uint32_t Chosen() const { return hub_ * settings().per_hub + round_ % settings().per_hub; }

  void Ask(size_t which) {
    while (!HasActed() && !connections().is_ready(Chosen())) ++hub_;
    if (HasActed()) return;
    which_ = which;
    asked_ = Now();
    connections().Ask(Chosen(), asked_);
  }
  void GoOn(size_t done) {
    if (done == kAwake) ++hub_;
    Ask(done == kAwake ? kAsleep : kAwake);
  }

  void OnAnswer(uint32_t connection, uint32_t, Nanos asked) override {
    if (step() != Step::kAct || HasActed() || connection != Chosen() || asked != asked_) return;
    Record(which_, Now() - asked);
    GoOn(which_);
  }

  uint32_t hub_ = 0;
  uint32_t round_ = 0;
  size_t which_ = kAsleep;
  Nanos asked_ = 0;
};

void Direct(Director* director) {
  const Settings& settings = director->settings();
  director->Open();
  director->StartMeasuring();
  for (uint32_t round = 0; round < settings.rounds && !director->stopped() && director->AwaitSleep();
       ++round) {
    director->Do(Step::kAct, settings.timeout * (settings.hubs + 1));
  }
  director->StopMeasuring();
  director->Do(Step::kSettle, settings.timeout);
  // By value: the next one may move it.
  const Histogram asleep =
      director->AddLatency(kAsleep, "asleep", "from a request to a sleeping hub to its reply");
  const Histogram awake = director->AddLatency(kAwake, "awake", "the same, right behind it");
  director->Add("wakes", static_cast<double>(asleep.count()), "");
  for (const auto& [name, share] : kPercentiles) {
    if (share > 0.99) break;
    director->Add(std::string("waking.") + name,
                  static_cast<double>(asleep.ValueAt(share) - awake.ValueAt(share)) / 1e6,
                  "ms more than awake");
  }
  director->AddCpu(asleep.count(), "us/wake and two requests");
  director->Finish();
}

}  // namespace

const Scenario kWake = {"wake", NewPart<WakePart>, Direct};

}  // namespace dormouse::load
