// Looks at a run now and then: what the workers have counted and measured, and what the processes use that
// are watched. One thread.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "clients/load/engine/crew.h"
#include "clients/load/process_stats.h"
#include "clients/load/report/result.h"

namespace dormouse::load {

// Of a moment.
struct Totals {
  Nanos at = 0;
  std::array<uint64_t, kCounts> counts{};
  std::vector<double> cpu_seconds;  // of each watched process; no number: it is not there
  std::vector<double> bytes;

  // Everything that was answered or delivered, but for what was asked in the end, to verify.
  uint64_t done() const {
    return counts[kReplies] + counts[kBeats] + counts[kDeliveries] - counts[kVerified];
  }
};

class Sampler {
 public:
  // Watches the load processes as well, together, as "driver".
  Sampler(const Crew& crew, const std::vector<Watched>& watched);

  Totals Look() const;
  // What has changed since the last call.
  Sample Take();

  const std::vector<std::string>& names() const { return names_; }
  Nanos began() const { return began_; }

 private:
  const Crew& crew_;
  std::vector<Watched> watched_;
  std::vector<std::string> names_;
  const Nanos began_;
  Totals last_;
  Histogram measured_;
};

// All workers' together.
Histogram MergedSeries(const Crew& crew, size_t series);

}  // namespace dormouse::load
