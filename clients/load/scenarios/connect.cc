// Each connection opens, is greeted, says goodbye, and opens again: how many a second, and how long until the
// greeting.
#include <utility>
#include <vector>

#include "clients/load/engine/director.h"
#include "clients/load/scenarios/scenarios.h"

namespace dormouse::load {
namespace {

class ConnectPart : public Part {
 public:
  using Part::Part;

  Nanos Act(Nanos) override {
    for (const uint32_t connection : std::exchange(greeted_, {})) {
      connections().Close(connection);
      connections().Open(connection);
    }
    return kNever;
  }

 private:
  void OnStep(Step step) override {
    if (step != Step::kAct) return;
    connections().ExpectToOpen();
    for (uint32_t i = 0; i < connections().size(); ++i) greeted_.push_back(i);
  }
  bool IsBusy() override { return connections().opening() > 0; }

  void OnReady(uint32_t connection, Nanos begun, bool) override {
    if (step() != Step::kAct) return;
    Record(0, Now() - begun);
    greeted_.push_back(connection);
  }

  std::vector<uint32_t> greeted_;
};

void Direct(Director* director) {
  director->Open();
  director->result()->figures.clear();  // those were not measured
  director->MeasureActing();
  const uint64_t greeted = director->Measured(kSockets);
  director->Add("greeted", static_cast<double>(greeted), "connections");
  director->Add("rate", static_cast<double>(greeted) / director->measured_seconds(), "connections/s");
  director->AddLatency(0, "greeting", "from the first packet of a connection to its greeting");
  director->AddCpu(greeted, "us/connection");
  director->Finish();
}

}  // namespace

const Scenario kConnect = {"connect", NewPart<ConnectPart>, Direct};

}  // namespace dormouse::load
