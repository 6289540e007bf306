// Connections that say nothing but heartbeats, or nothing at all: what they cost, and whether each is there
// in the end.
#include <fstream>

#include "clients/load/engine/director.h"
#include "clients/load/engine/pace.h"
#include "clients/load/scenarios/scenarios.h"

namespace dormouse::load {
namespace {

class IdlePart : public Part {
 public:
  using Part::Part;

  Nanos Act(Nanos now) override { return Beat(&pace_, now); }

 private:
  void OnStep(Step step) override {
    // From when they are all there: while they come, there is enough to do. Evenly, for they are not in step.
    pace_ = step == Step::kAct && settings().beats
                ? Pace(Now(), connections().size() / ToSeconds(settings().beat_interval))
                : Pace();
  }
  void OnHeartbeat(uint32_t, Nanos asked) override { Record(0, Now() - asked); }
  void OnAnswer(uint32_t, uint32_t, Nanos asked) override { Record(0, Now() - asked); }

  Pace pace_;
};

// Bytes that the machine has left, for programs and the kernel.
double AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;) {
    double kibibytes = 0;
    if (word == "MemAvailable:" && file >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

void Direct(Director* director) {
  const Settings& settings = director->settings();
  const Totals before = director->Look();
  const double available = AvailableMemory();
  director->StartMeasuring();
  director->Open();
  director->StopMeasuring();
  director->AddCpu(settings.connections, "us/connection opened");
  director->AddMemory(before, settings.connections, "bytes/connection");
  director->Add("memory.machine", (available - AvailableMemory()) / settings.connections, "bytes/connection");
  if (!settings.metrics.empty() && director->AwaitSleep()) {
    for (Figure& figure : director->result()->figures) {
      if (figure.name.starts_with("memory.")) figure.name.insert(0, "awake.");
    }
    director->AddMemory(before, settings.connections, "bytes/connection");
  }
  // What it takes to open them is one thing, what it takes to hold them another.
  for (Figure& figure : director->result()->figures) {
    if (figure.name.starts_with("c")) figure.name.insert(0, "opening.");
  }
  director->StartMeasuring();
  director->Begin(Step::kAct);
  director->Wait(settings.duration);
  director->StopMeasuring();
  director->Do(Step::kSettle, settings.timeout);
  director->Verify();
  if (settings.beats) {
    director->Add("heartbeats", static_cast<double>(director->Measured(kBeats)), "");
    director->AddLatency(0, "heartbeat", "from the moment that a heartbeat was meant for to its answer");
  }
  director->AddCpu(0, "");
  director->Add("verified", static_cast<double>(director->Look().counts[kVerified]), "connections");
  director->Finish();
}

}  // namespace

const Scenario kIdle = {"idle", NewPart<IdlePart>, Direct};

}  // namespace dormouse::load
