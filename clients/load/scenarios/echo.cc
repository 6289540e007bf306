// Requests and their replies: in a closed loop each connection keeps so many under way; in an open one they
// leave at a rate, whatever becomes of those before, and a reply is as late as it is after the moment that
// its request was meant for.
#include "clients/load/engine/director.h"
#include "clients/load/engine/pace.h"
#include "clients/load/scenarios/scenarios.h"

namespace dormouse::load {
namespace {

class EchoPart : public Part {
 public:
  using Part::Part;

  Nanos Act(Nanos now) override {
    while (pace_.due() <= now) {
      const Nanos at = pace_.due();
      const auto connection = static_cast<uint32_t>(pace_.done() % connections().size());
      pace_.Take(now);
      if (connections().is_ready(connection)) connections().Ask(connection, at);
    }
    return pace_.due();
  }

 private:
  void OnStep(Step step) override {
    if (step == Step::kAct && settings().rate > 0) {
      const double share = connections().size() / static_cast<double>(place_.plan.connections);
      pace_ = Pace(Now(), settings().rate * share, place_.worker / static_cast<double>(place_.plan.workers));
      intended_ = pace_;
    } else if (step == Step::kAct) {
      talking_ = true;
      for (uint32_t i = 0; i < connections().size(); ++i) {
        for (uint32_t k = 0; k < settings().in_flight; ++k) connections().Ask(i, Now());
      }
    } else {
      talking_ = false;
      pace_ = Pace();
    }
  }

  void OnAnswer(uint32_t connection, uint32_t number, Nanos asked) override {
    const Nanos now = Now();
    if (settings().rate > 0) {
      asked = intended_.MomentOf(uint64_t{number} * connections().size() + connection);
    }
    Record(0, now - asked);
    if (talking_) connections().Ask(connection, now);
  }

  bool talking_ = false;
  Pace pace_;
  Pace intended_;
};

void Direct(Director* director) {
  const Settings& settings = director->settings();
  director->Open();
  director->MeasureActing();
  const uint64_t replies = director->Measured(kReplies);
  director->Add("replies", static_cast<double>(replies), "");
  director->Add("rate", static_cast<double>(replies) / director->measured_seconds(), "replies/s");
  director->AddLatency(0, "latency",
                       settings.rate > 0 ? "from the moment that a request was meant for to its reply"
                                         : "from a request to its reply");
  director->AddCpu(replies, "CPU-s/M replies");
  director->Finish();
}

}  // namespace

const Scenario kEcho = {"echo", NewPart<EchoPart>, Direct};

}  // namespace dormouse::load
