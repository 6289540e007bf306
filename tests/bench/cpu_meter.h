// Prints the processor time that processes use.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "clients/load/process_stats.h"
#include "tests/bench/figures.h"

namespace dormouse::bench {

using load::ParseWatched;
using load::ResidentBytes;
using load::Watched;

// The processor time that processes use from Start on.
class CpuMeter {
 public:
  explicit CpuMeter(std::vector<Watched> watched) : watched_(std::move(watched)) { Start(); }

  void Start() {
    before_.clear();
    for (const Watched& process : watched_) before_.push_back(load::CpuSeconds(process.pid));
  }

  // A line NAME.PROCESS for each: seconds divided by `per`.
  void Print(const std::string& name, double per, const char* unit) const {
    for (size_t i = 0; i < watched_.size(); ++i) {
      bench::Print(name + "." + watched_[i].name, (load::CpuSeconds(watched_[i].pid) - before_[i]) / per,
                   unit);
    }
  }

 private:
  std::vector<Watched> watched_;
  std::vector<double> before_;
};

}  // namespace dormouse::bench
