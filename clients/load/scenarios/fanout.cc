// One publishes, many hear it, at as many gateways as there are: how long until each has it, and until the
// last.
#include <utility>
#include <vector>

#include "clients/load/engine/director.h"
#include "clients/load/engine/pace.h"
#include "clients/load/scenarios/scenarios.h"
#include "clients/load/sequence.h"

namespace dormouse::load {
namespace {

constexpr size_t kEach = 0;
constexpr size_t kLast = 1;
constexpr size_t kAccepted = 2;
constexpr uint32_t kPublisher = 0;  // of the run
// How often it is looked whether other workers' subscribers have got the last one.
constexpr Nanos kLook = 200 * kMicrosecond;

class FanoutPart : public Part {
 public:
  FanoutPart(Workplace* place, std::unique_ptr<SignalTalk> signal)
      : Part(place, std::move(signal)),
        signal_(static_cast<SignalTalk*>(talk())),
        got_(connections().size()) {}

  Nanos Act(Nanos now) override {
    if (!publishes_) return kNever;
    while (pace_.due() <= now) {
      Publish(pace_.due());
      pace_.Take(now);
    }
    if (settings().rate > 0) return pace_.due();
    if (place_.board->published.load() == 0 || IsComplete()) Publish(now);
    return now + kLook;
  }

 private:
  uint32_t subscribers() const { return settings().connections - 1; }
  bool IsComplete() const {
    const uint32_t published = place_.board->published.load();
    return published == 0 || place_.board->publications[published - 1].arrived.load() == subscribers();
  }

  void Publish(Nanos at) {
    const uint32_t number = place_.board->published.load();
    if (number == kPublications) return;
    place_.board->published.store(number + 1);
    signal_->Publish(kPublisher, number, at);
    accepted_.Ask();
    published_at_.push_back(at);
  }

  void OnStep(Step step) override {
    publishes_ =
        step == Step::kAct && connections().first() == kPublisher && connections().is_ready(kPublisher);
    if (publishes_) pace_ = Pace(Now(), settings().rate);
    if (step == Step::kClose) CountLost();
  }
  // Subscribers are of other workers, too: all wait until the last publication is everywhere.
  bool IsBusy() override { return accepted_.outstanding() > 0 || !IsComplete(); }

  void OnMessage(uint32_t connection, uint32_t sender) override {
    const SignalTalk::Message& message = signal_->message();
    const uint32_t number = message.number;
    const auto say = [&](Fault fault, const char* what) {
      connections().Say(fault, connection, "publication " + std::to_string(number) + " " + what);
    };
    if (!message.published || sender != kPublisher || number >= place_.board->published.load()) {
      return say(Fault::kWrong, "was never made");
    }
    Sequence& got = got_[connection];
    while (got.asked() <= number) got.Ask();
    switch (got.Take(number)) {
      case Sequence::Found::kDoubled:
      case Sequence::Found::kUnasked:
        return say(Fault::kDoubled, "came again");
      case Sequence::Found::kLate:
        say(Fault::kReordered, "came after a later one");
        break;
      case Sequence::Found::kEarly:
      case Sequence::Found::kNext:
        break;
    }
    const Nanos wait = Now() - message.sent_at;
    Record(kEach, wait);
    if (place_.board->publications[number].arrived.fetch_add(1) + 1 == subscribers()) Record(kLast, wait);
  }

  void OnReceipt(uint32_t connection, uint32_t number) override {
    if (number >= published_at_.size() || accepted_.Take(number) != Sequence::Found::kNext) {
      return connections().Say(Fault::kReordered, connection,
                               "the receipt of publication " + std::to_string(number) + " came out of order");
    }
    Record(kAccepted, Now() - published_at_[number]);
    place_.slot->Count(kReplies);
  }

  void CountLost() {
    for (uint32_t i = 0; i < connections().size(); ++i) {
      if (connections().first() + i == kPublisher || !connections().is_ready(i)) continue;
      Sequence& got = got_[i];
      while (got.asked() < place_.board->published.load()) got.Ask();
      for (uint32_t left = got.outstanding(); left > 0; --left) {
        connections().Say(Fault::kMissing, i, "a publication did not come");
      }
    }
  }

  SignalTalk* const signal_;
  bool publishes_ = false;
  Pace pace_;
  std::vector<Sequence> got_;  // by connection
  Sequence accepted_;
  std::vector<Nanos> published_at_;
};

std::unique_ptr<Part> MakePart(Workplace* place) {
  SignalTalk::Options options = SignalOptionsOf(*place);
  options.topic = "load";
  options.publisher = kPublisher;
  return std::make_unique<FanoutPart>(
      place, std::make_unique<SignalTalk>(place->connections.voice(), std::move(options)));
}

void Direct(Director* director) {
  const Settings& settings = director->settings();
  director->Open();
  director->StartMeasuring();
  director->Begin(Step::kAct);
  director->Wait(settings.duration);
  director->Do(Step::kSettle, settings.timeout);
  director->StopMeasuring();
  const uint64_t deliveries = director->Measured(kDeliveries);
  director->Add("publications", director->board()->published.load(), "");
  director->Add("deliveries", static_cast<double>(deliveries), "");
  director->Add("rate", static_cast<double>(deliveries) / director->measured_seconds(), "deliveries/s");
  director->AddLatency(kEach, "delivery", "from a publication to when a subscriber has it");
  director->AddLatency(kLast, "last delivery", "from a publication to when all subscribers have it");
  director->AddLatency(kAccepted, "receipt",
                       "from a publication to when the hub confirms it to who published");
  director->AddCpu(deliveries, "us/delivery");
  director->Finish();
}

}  // namespace

const Scenario kFanout = {"fanout", MakePart, Direct};

}  // namespace dormouse::load
