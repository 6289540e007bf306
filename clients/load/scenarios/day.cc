// A day in short: most hubs sleep, some talk, now and then one is woken; clients come and go; all send
// heartbeats. Whoever runs it may kill what he likes meanwhile, and `mark` it.
#include <algorithm>
#include <cmath>
#include <deque>
#include <random>

#include "clients/load/engine/director.h"
#include "clients/load/engine/pace.h"
#include "clients/load/scenarios/scenarios.h"

namespace dormouse::load {
namespace {

constexpr size_t kTalk = 0;
constexpr size_t kWakeUp = 1;
constexpr size_t kHeartbeat = 2;
constexpr size_t kJoin = 3;
// A client that has left comes back after that.
constexpr Nanos kAway = 2 * kSecond;

class DayPart : public Part {
 public:
  explicit DayPart(Workplace* place)
      : Part(place),
        awake_hubs_(
            std::max(1U, static_cast<uint32_t>(std::lround(settings().hubs * (1 - settings().asleep))))),
        random_(settings().seed << 32 | place->worker) {
    if (settings().come_back) connections().SetWhenLost(Connections::WhenLost::kComeBack);
    for (uint32_t i = 0; i < connections().size(); ++i) {
      (Talks(i) ? talkers_ : sleepers_).push_back(i);
    }
  }

  Nanos Act(Nanos now) override {
    while (talks_.due() <= now) {
      Ask(talkers_[talks_.done() % talkers_.size()], talks_.due());
      talks_.Take(now);
    }
    while (wakes_.due() <= now) {
      Ask(sleepers_[random_() % sleepers_.size()], wakes_.due());
      wakes_.Take(now);
    }
    const Nanos beat = Beat(&beats_, now);
    for (; joins_.due() <= now; joins_.Take(now))
      Leave(static_cast<uint32_t>(random_() % connections().size()), now);
    for (; !away_.empty() && away_.front().first <= now; away_.pop_front())
      connections().Open(away_.front().second);
    const Nanos back = away_.empty() ? kNever : away_.front().first;
    return std::min({talks_.due(), wakes_.due(), beat, joins_.due(), back});
  }

 private:
  bool Talks(uint32_t connection) const {
    return place_.plan.HubOf(place_.connections.first() + connection) < awake_hubs_;
  }

  void OnStep(Step step) override {
    talks_ = wakes_ = beats_ = joins_ = Pace();
    if (step == Step::kAct) {
      const Nanos now = Now();
      const double workers = place_.plan.workers;
      const double share = connections().size() / static_cast<double>(place_.plan.connections);
      if (!talkers_.empty()) talks_ = Pace(now, settings().rate * share);
      if (!sleepers_.empty()) wakes_ = Pace(now, settings().wakes / workers, 1);
      if (settings().beats) beats_ = Pace(now, connections().size() / ToSeconds(settings().beat_interval));
      joins_ = Pace(now, settings().joins / workers, 1);
    } else if (step == Step::kSettle) {
      for (; !away_.empty(); away_.pop_front()) connections().Open(away_.front().second);
    }
  }
  bool IsBusy() override { return connections().opening() > 0; }

  void Ask(uint32_t connection, Nanos at) {
    // So many are told apart. Where more wait, a failover is going on, and waiting is measured by those.
    if (!connections().is_ready(connection) ||
        connections().outstanding_of(connection) >= settings().in_flight)
      return;
    connections().Ask(connection, at);
  }
  void Leave(uint32_t connection, Nanos now) {
    // Not with an answer on its way.
    if (!connections().is_ready(connection) || connections().outstanding_of(connection) > 0) return;
    connections().Close(connection);
    away_.emplace_back(now + kAway, connection);
  }

  void OnAnswer(uint32_t connection, uint32_t, Nanos asked) override {
    Record(Talks(connection) ? kTalk : kWakeUp, Now() - asked);
  }
  void OnHeartbeat(uint32_t, Nanos asked) override { Record(kHeartbeat, Now() - asked); }
  void OnReady(uint32_t, Nanos begun, bool) override { Record(kJoin, Now() - begun); }

  const uint32_t awake_hubs_;
  std::mt19937_64 random_;
  std::vector<uint32_t> talkers_;   // connections of hubs that are awake
  std::vector<uint32_t> sleepers_;  // the others
  Pace talks_;
  Pace wakes_;
  Pace beats_;
  Pace joins_;
  std::deque<std::pair<Nanos, uint32_t>> away_;  // who has left, and when they come back
};

void Direct(Director* director) {
  director->Open();
  director->MeasureActing();
  director->Verify();
  const uint64_t replies = director->Measured(kReplies);
  director->Add("replies", static_cast<double>(replies), "");
  director->Add("heartbeats", static_cast<double>(director->Measured(kBeats)), "");
  director->Add("joins", static_cast<double>(director->Measured(kSockets)), "");
  director->Add("lost", static_cast<double>(director->Measured(kLost)), "sockets");
  director->AddLatency(kTalk, "talk",
                       "from the moment that a request to an awake hub was meant for to its reply");
  director->AddLatency(kWakeUp, "wake",
                       "the same of one to a hub that sleeps, unless another one has just woken it");
  director->AddLatency(kHeartbeat, "heartbeat",
                       "from the moment that a heartbeat was meant for to its answer");
  director->AddLatency(kJoin, "join", "from the first packet of a connection to its greeting");
  director->AddCpu(replies + director->Measured(kBeats), "CPU-s/M replies and heartbeats");
  director->Add("verified", static_cast<double>(director->Look().counts[kVerified]), "connections");
  director->Finish();
}

}  // namespace

const Scenario kDay = {"day", NewPart<DayPart>, Direct};

}  // namespace dormouse::load
