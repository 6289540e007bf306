// Directs a run: tells the workers what to do, lets time pass, and meanwhile takes samples, says how it goes,
// and listens to the user. One thread.
#pragma once

#include <array>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "clients/load/commands.h"
#include "clients/load/engine/crew.h"
#include "clients/load/engine/sampler.h"
#include "clients/load/report/result.h"

namespace dormouse::load {

// The connections could not be opened; says why.
class NotConnected : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Director {
 public:
  // `result` is what is added to.
  Director(const Settings& settings, Crew* crew, const std::vector<Watched>& watched, Result* result);

  // Opens all connections, or throws NotConnected.
  void Open();
  // Tells all workers to take a step, without waiting for it. The first that is the scenario's own is told to
  // the user: "ready".
  void Begin(Step step);
  // Until all have done it. False: not within `patience`, or the user has asked for the end meanwhile.
  bool Await(Nanos patience);
  bool Do(Step step, Nanos patience) {
    Begin(step);
    return Await(patience);
  }
  // False: the user wants the run to end, then or before.
  bool Wait(Nanos time);
  bool stopped() const { return stops_ > 0; }
  // Until `done`, asked a few times a second, and when all workers have done the last step. False: as Await.
  bool WaitUntil(const std::function<bool()>& done, Nanos patience);
  // Waits until all hubs sleep: as the statekeepers' metrics say, or for as long as the settings say.
  bool AwaitSleep();

  // Latencies count between these two.
  void StartMeasuring();
  void StopMeasuring();

  // The middle of most scenarios: lets all act, measures them once they are warm, and waits for what is on
  // its way.
  void MeasureActing();
  // Every connection has to show that it is alive.
  void Verify();

  // Waits for what is on its way, closes everything, and adds what was wrong. Once.
  void Finish();

  // What was counted while it was measured.
  uint64_t Measured(Count count) const { return to_.counts[count] - from_.counts[count]; }
  double measured_seconds() const { return ToSeconds(to_.at - from_.at); }
  Totals Look() const { return sampler_.Look(); }
  const Crew& crew() const { return crew_; }
  Board* board() { return crew_.board(); }
  // What no worker can see by itself to be wrong.
  void Fail(Fault fault, uint64_t count, const std::string& words);

  const Settings& settings() const { return settings_; }
  Result* result() { return &result_; }
  void Add(const std::string& name, double value, const std::string& unit) {
    result_.figures.push_back({name, value, unit});
  }
  // A series as a distribution.
  const Histogram& AddLatency(size_t series, const std::string& name, const std::string& says);
  // The processor time that each process took while it was measured, for each of `count` things.
  void AddCpu(uint64_t count, const std::string& unit);
  // What each process's memory grew by since then, for each of `count` things.
  void AddMemory(const Totals& since, uint64_t count, const std::string& unit);

 private:
  // Until then, or the user has asked for more than so many stops.
  void Pass(Nanos until, bool report_ends_it, uint64_t stops);
  void TakeCommands();
  void SayProgress(const Sample& sample);
  std::string WhyNotConnected() const;

  const Settings& settings_;
  Crew& crew_;
  Result& result_;
  Commands commands_;
  Sampler sampler_;
  const Nanos interval_;  // of samples
  Nanos next_sample_;
  Nanos next_progress_;
  const bool terminal_;
  bool is_ready_ = false;
  uint64_t stops_ = 0;  // that the user has asked for
  std::array<uint64_t, kFaults> failed_{};
  Totals from_;
  Totals to_;
};

}  // namespace dormouse::load
