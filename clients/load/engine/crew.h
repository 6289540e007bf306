// The processes and threads that put load on the servers, and the memory that they share with who directs
// them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "clients/load/engine/board.h"
#include "clients/load/engine/scenario.h"

namespace dormouse::load {

class Crew {
 public:
  // Forks: no thread may run yet. The processes end with this one. Throws std::runtime_error.
  Crew(const Scenario& scenario, const Settings& settings);
  // Kills those that are left.
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Tells all workers to take a step.
  void Command(Step step);
  // Whether each has done that.
  bool HaveDone() const;
  // Throws std::runtime_error where one cannot go on, or its process is gone.
  void Check();

  // Readable after a worker has done something; TakeReports makes it unreadable.
  int reports() const { return reports_; }
  void TakeReports();

  Board* board() { return &shared_->board; }
  const Board* board() const { return &shared_->board; }
  uint32_t workers() const { return workers_; }
  const Slot& slot(uint32_t worker) const { return shared_->slots[worker]; }
  const std::vector<pid_t>& processes() const { return processes_; }

 private:
  struct Shared {
    Board board;
    Slot slots[];
  };

  const uint32_t workers_;
  size_t bytes_ = 0;
  Shared* shared_ = nullptr;
  int reports_;
  std::vector<int> commanded_;  // by worker
  std::vector<pid_t> processes_;
  bool closing_ = false;
};

}  // namespace dormouse::load
