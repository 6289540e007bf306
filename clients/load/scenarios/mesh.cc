// Hubs with some actors each, of which every one sends to the others in turn: a tell, which nobody confirms,
// or an ask, of which the hub gives a receipt. What is sent has to arrive, once, at whom it is for.
#include <random>
#include <vector>

#include "clients/load/engine/director.h"
#include "clients/load/engine/pace.h"
#include "clients/load/scenarios/scenarios.h"
#include "clients/load/talk/signal_talk.h"

namespace dormouse::load {
namespace {

constexpr size_t kArrival = 0;
constexpr size_t kReceiptOfAsk = 1;

class MeshPart : public Part {
 public:
  MeshPart(Workplace* place, std::unique_ptr<SignalTalk> signal)
      : Part(place, std::move(signal)),
        signal_(static_cast<SignalTalk*>(talk())),
        actors_(connections().size()),
        random_(settings().seed) {}

  Nanos Act(Nanos now) override {
    while (pace_.due() <= now) {
      const auto actor = static_cast<uint32_t>(pace_.done() % actors_.size());
      const Nanos at = pace_.due();
      pace_.Take(now);
      if (!connections().is_ready(actor)) continue;
      // Who waits has one more to do behind that.
      ++actors_[actor].owed;
      if (!actors_[actor].waits()) Send(actor, at);
    }
    return pace_.due();
  }

 private:
  // One message of an actor is under way at a time.
  struct Actor {
    uint32_t sent = 0;  // its number is one less
    uint32_t target = 0;
    bool wants_arrival = false;
    bool wants_receipt = false;
    Nanos at = 0;
    uint64_t owed = 0;  // where there is a rate: to be sent in all

    bool waits() const { return wants_arrival || wants_receipt; }
  };

  void OnStep(Step step) override {
    talking_ = step == Step::kAct;
    pace_ = Pace();
    if (talking_ && settings().rate > 0) {
      const double share = connections().size() / static_cast<double>(place_.plan.connections);
      pace_ = Pace(Now(), settings().rate * share);
      intended_ = pace_;
    } else if (talking_) {
      for (uint32_t i = 0; i < actors_.size(); ++i) Send(i, Now());
    }
    if (step == Step::kClose) CountLost();
  }
  bool IsBusy() override { return waiting_ > 0; }

  void Send(uint32_t connection, Nanos at) {
    if (!connections().is_ready(connection)) return;
    Actor& actor = actors_[connection];
    const uint32_t number = actor.sent++;
    const uint32_t peers = settings().per_hub;
    const uint32_t self = connection % peers;
    actor.target = connection - self + (self + 1 + number % (peers - 1)) % peers;
    actor.wants_arrival = true;
    actor.wants_receipt = std::uniform_real_distribution<>()(random_) < settings().ask_share;
    actor.at = at;
    ++waiting_;
    signal_->Send(connection, connections().first() + actor.target, number, at, actor.wants_receipt);
  }

  void GoOn(uint32_t connection) {
    Actor& actor = actors_[connection];
    if (actor.waits()) return;
    --waiting_;
    if (!talking_) return;
    if (settings().rate == 0) {
      Send(connection, Now());
    } else if (actor.sent < actor.owed) {
      Send(connection, intended_.MomentOf(uint64_t{actor.sent} * actors_.size() + connection));
    }
  }

  void OnMessage(uint32_t connection, uint32_t sender) override {
    const uint32_t from = sender - connections().first();
    const uint32_t number = signal_->message().number;
    const auto say = [&](Fault fault, const char* what) {
      connections().Say(
          fault, connection,
          "message " + std::to_string(number) + " of connection " + std::to_string(sender) + " " + what);
    };
    if (from >= actors_.size() || number >= actors_[from].sent) return say(Fault::kWrong, "was never sent");
    Actor& actor = actors_[from];
    if (number + 1 != actor.sent || !actor.wants_arrival) return say(Fault::kDoubled, "came again");
    if (connection != actor.target) return say(Fault::kWrong, "was for another");
    actor.wants_arrival = false;
    Record(kArrival, Now() - actor.at);
    GoOn(from);
  }

  void OnReceipt(uint32_t connection, uint32_t number) override {
    Actor& actor = actors_[connection];
    if (number + 1 != actor.sent || !actor.wants_receipt) {
      return connections().Say(Fault::kDoubled, connection,
                               "a receipt of message " + std::to_string(number) + " that is not awaited");
    }
    actor.wants_receipt = false;
    Record(kReceiptOfAsk, Now() - actor.at);
    place_.slot->Count(kReplies);
    GoOn(connection);
  }

  void CountLost() {
    for (uint32_t i = 0; i < actors_.size(); ++i) {
      const Actor& actor = actors_[i];
      const std::string what = "message " + std::to_string(actor.sent - 1) + " of this connection ";
      if (actor.wants_arrival) connections().Say(Fault::kMissing, i, what + "did not arrive");
      if (actor.wants_receipt) connections().Say(Fault::kMissing, i, what + "has no receipt");
    }
  }

  SignalTalk* const signal_;
  std::vector<Actor> actors_;
  std::mt19937_64 random_;
  bool talking_ = false;
  uint64_t waiting_ = 0;  // actors
  Pace pace_;
  Pace intended_;
};

std::unique_ptr<Part> MakePart(Workplace* place) {
  return std::make_unique<MeshPart>(
      place, std::make_unique<SignalTalk>(place->connections.voice(), SignalOptionsOf(*place)));
}

void Direct(Director* director) {
  director->Open();
  director->MeasureActing();
  const uint64_t messages = director->Measured(kDeliveries);
  director->Add("messages", static_cast<double>(messages), "");
  director->Add("asks", static_cast<double>(director->Measured(kReplies)), "");
  director->Add("rate", static_cast<double>(messages) / director->measured_seconds(), "messages/s");
  director->AddLatency(kArrival, "arrival", "from a send to when the other actor has it");
  director->AddLatency(kReceiptOfAsk, "receipt", "from an ask to the hub's receipt");
  director->AddCpu(messages, "CPU-s/M messages");
  director->Finish();
}

}  // namespace

const Scenario kMesh = {"mesh", MakePart, Direct};

}  // namespace dormouse::load
