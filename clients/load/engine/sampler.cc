#include "clients/load/engine/sampler.h"

#include <limits>
#include <stdexcept>

namespace dormouse::load {
namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Histogram MergedSeries(const Crew& crew, size_t series) {
  Histogram merged;
  for (uint32_t i = 0; i < crew.workers(); ++i) merged.Add(crew.slot(i).series[series]);
  return merged;
}

Sampler::Sampler(const Crew& crew, const std::vector<Watched>& watched)
    : crew_(crew), watched_(watched), began_(Now()) {
  for (const Watched& process : watched_) names_.push_back(process.name);
  names_.emplace_back("driver");
  last_ = Look();
}

Totals Sampler::Look() const {
  Totals totals;
  totals.at = Now();
  for (uint32_t i = 0; i < crew_.workers(); ++i) {
    for (size_t count = 0; count < kCounts; ++count)
      totals.counts[count] += crew_.slot(i).counts[count].load();
  }
  for (const Watched& process : watched_) {
    try {
      totals.cpu_seconds.push_back(CpuSeconds(process.pid));
      totals.bytes.push_back(static_cast<double>(ResidentBytes(process.pid)));
    } catch (const std::runtime_error&) {  // somebody has killed it, which may be what the run is about
      totals.cpu_seconds.resize(totals.bytes.size());
      totals.cpu_seconds.push_back(kNoNumber);
      totals.bytes.push_back(kNoNumber);
    }
  }
  double seconds = 0;
  double bytes = 0;
  try {
    for (const pid_t process : crew_.processes()) {
      seconds += CpuSeconds(process);
      bytes += static_cast<double>(ResidentBytes(process));
    }
  } catch (const std::runtime_error&) {  // the run is over
    seconds = bytes = kNoNumber;
  }
  totals.cpu_seconds.push_back(seconds);
  totals.bytes.push_back(bytes);
  return totals;
}

Sample Sampler::Take() {
  const Totals now = Look();
  const double passed = ToSeconds(now.at - last_.at);
  Sample sample;
  sample.at = ToSeconds(now.at - began_);
  sample.ready = now.counts[kReady];
  sample.rate = static_cast<double>(now.done() - last_.done()) / passed;
  for (size_t i = 0; i < now.bytes.size(); ++i) {
    sample.cores.push_back((now.cpu_seconds[i] - last_.cpu_seconds[i]) / passed);
    sample.mebibytes.push_back(now.bytes[i] / (1 << 20));
  }
  Histogram measured = MergedSeries(crew_, 0);
  const Histogram since = measured.Since(measured_);
  sample.p50_ms = static_cast<double>(since.ValueAt(0.5)) / 1e6;
  sample.p99_ms = static_cast<double>(since.ValueAt(0.99)) / 1e6;
  sample.longest_ms = static_cast<double>(since.longest()) / 1e6;
  measured_ = std::move(measured);
  last_ = now;
  return sample;
}

}  // namespace dormouse::load
