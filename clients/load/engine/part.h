// One worker's part of a scenario: what its connections do in each step. This one opens them, settles,
// verifies and closes, as all scenarios do; what is between is the scenario's. One thread.
#pragma once

#include <memory>

#include "clients/load/engine/board.h"
#include "clients/load/engine/connections.h"
#include "clients/load/engine/pace.h"
#include "clients/load/engine/settings.h"
#include "clients/load/talk/signal_talk.h"

namespace dormouse::load {

// Where a part plays.
struct Workplace {
  Workplace(const Settings& run, uint32_t number, Board* shared, Slot* own);

  const Settings& settings;
  const Plan plan;
  const uint32_t worker;
  Board* const board;
  Slot* const slot;
  Connections connections;
};

// How a worker's connections speak to class signal; without a topic.
SignalTalk::Options SignalOptionsOf(const Workplace& place);

class Part : public Connections::Owner {
 public:
  // The class that the settings name.
  explicit Part(Workplace* place);
  Part(Workplace* place, std::unique_ptr<Talk> talk);

  void Begin(Step step);
  // Whether the step has come to its end here.
  bool IsDone();
  // Does what is due, and says when the next thing is.
  Nanos DoWhatIsDue(Nanos now);

 protected:
  virtual void OnStep(Step /*step*/) {}
  // The scenario's part of what is due.
  virtual Nanos Act(Nanos /*now*/) { return kNever; }
  // Whether connections that are ready send heartbeats while the others are opened: that may take longer than
  // servers put up with silence.
  virtual bool BeatsWhileOpening() const { return settings().beats; }
  // Of Step::kAct.
  virtual bool HasActed() { return true; }
  virtual void OnAnswer(uint32_t /*connection*/, uint32_t /*number*/, Nanos /*asked*/) {}
  virtual void OnHeartbeat(uint32_t /*connection*/, Nanos /*asked*/) {}
  // Something is under way beside requests and heartbeats.
  virtual bool IsBusy() { return false; }

  // The heartbeats that are due, on the connections in turn; says when the next one is.
  Nanos Beat(Pace* beats, Nanos now);

  // While the director measures.
  void Record(size_t series, Nanos wait) {
    if (place_.board->measuring.load(std::memory_order_relaxed)) place_.slot->series[series].Record(wait);
  }
  Connections& connections() { return place_.connections; }
  Talk* talk() { return talk_.get(); }
  const Settings& settings() const { return place_.settings; }
  Step step() const { return step_; }

  Workplace& place_;

 private:
  void OnReply(uint32_t connection, uint32_t number, Nanos asked) final;
  void OnBeat(uint32_t connection, Nanos asked) final;
  void VerifySome();

  const std::unique_ptr<Talk> talk_;
  Step step_ = Step::kNone;
  uint32_t to_verify_ = 0;  // the next
  Pace opening_beats_;
};

}  // namespace dormouse::load
