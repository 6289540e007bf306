#include "clients/load/engine/director.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "clients/load/metrics_page.h"

namespace dormouse::load {
namespace {

// A short run has some hundred samples, a long one does not have too many.
constexpr Nanos kSampleInterval = kSecond / 4;
constexpr Nanos kLongRun = 120 * kSecond;
constexpr Nanos kLongRunInterval = kSecond;
constexpr Nanos kProgressOnTerminal = kSecond;
constexpr Nanos kProgressElsewhere = 5 * kSecond;
// Where nobody has come by then, nobody will.
constexpr Nanos kFirstPatience = 5 * kSecond;
constexpr Nanos kLooks = 50 * kMillisecond;
constexpr Nanos kSleepPatience = 180 * kSecond;
// What a mark marks may be felt for so many seconds.
constexpr double kMarked = 10;

}  // namespace

Director::Director(const Settings& settings, Crew* crew, const std::vector<Watched>& watched, Result* result)
    : settings_(settings),
      crew_(*crew),
      result_(*result),
      sampler_(*crew, watched),
      interval_(settings.duration > kLongRun ? kLongRunInterval : kSampleInterval),
      next_sample_(sampler_.began() + interval_),
      next_progress_(sampler_.began() +
                     (isatty(STDERR_FILENO) != 0 ? kProgressOnTerminal : kProgressElsewhere)),
      terminal_(isatty(STDERR_FILENO) != 0) {
  result_.processes = sampler_.names();
}

void Director::Pass(Nanos until, bool report_ends_it, uint64_t stops) {
  while (Now() < until && stops_ <= stops) {
    const Nanos wait = std::clamp<Nanos>(std::min(until, next_sample_) - Now(), 0, kSecond);
    commands_.Await(crew_.reports(), static_cast<int>(wait / kMillisecond) + 1);
    TakeCommands();
    crew_.TakeReports();
    crew_.Check();
    if (Now() >= next_sample_) {
      result_.samples.push_back(sampler_.Take());
      next_sample_ += interval_;
      next_sample_ = std::max(next_sample_, Now());
    }
    if (Now() >= next_progress_ && !result_.samples.empty()) {
      SayProgress(result_.samples.back());
      next_progress_ += terminal_ ? kProgressOnTerminal : kProgressElsewhere;
    }
    if (report_ends_it && crew_.HaveDone()) return;
  }
}

void Director::TakeCommands() {
  for (const std::string& line : commands_.TakeLines()) {
    if (line == "stop") {
      ++stops_;
    } else if (line.starts_with("mark ")) {
      result_.marks.emplace_back(ToSeconds(Now() - sampler_.began()), line.substr(5));
    } else if (!line.empty()) {
      std::fprintf(stderr, "dormouse-load: '%s' is no command; those are: mark NAME, stop\n", line.c_str());
    }
  }
  if (commands_.TakeSignal()) ++stops_;
}

void Director::Begin(Step step) {
  crew_.Command(step);
  if (step != Step::kAct || is_ready_) return;
  is_ready_ = true;
  std::puts("ready");
  std::fflush(stdout);
}

bool Director::Await(Nanos patience) {
  const uint64_t stops = stops_;
  Pass(Now() + patience, true, stops);
  return crew_.HaveDone() && stops_ == stops;
}

bool Director::Wait(Nanos time) {
  Pass(Now() + time, false, 0);
  return stops_ == 0;
}

bool Director::WaitUntil(const std::function<bool()>& done, Nanos patience) {
  const Nanos end = Now() + patience;
  while (!done()) {
    if (stops_ > 0 || Now() > end) return false;
    Pass(std::min(Now() + kLooks, end + 1), true, 0);
  }
  return true;
}

void Director::Open() {
  Begin(Step::kOpen);
  const Nanos began = Now();
  const auto opened = [this] { return Look().counts[kReady]; };
  const auto hopeless = [this] { return Look().counts[kHopeless] > 0; };
  WaitUntil([&] { return opened() > 0 || hopeless(); }, std::min(kFirstPatience, settings_.connect_timeout));
  if (opened() > 0) {
    WaitUntil([&] { return crew_.HaveDone() || hopeless(); }, began + settings_.connect_timeout - Now());
  }
  if (!crew_.HaveDone()) throw NotConnected(WhyNotConnected());
  const double seconds = ToSeconds(Now() - began);
  Add("opened", settings_.connections / seconds, "connections/s");
}

std::string Director::WhyNotConnected() const {
  std::string text = std::to_string(Look().counts[kReady]) + " of " + std::to_string(settings_.connections) +
                     " connections are ready";
  if (stops_ > 0) return text + ", and the run is to stop";
  for (uint32_t i = 0; i < crew_.workers(); ++i) {
    if (crew_.slot(i).has_failure.load()) return text + "; one that failed: " + crew_.slot(i).failure;
  }
  return text + "; the servers are silent";
}

bool Director::AwaitSleep() {
  if (settings_.metrics.empty()) return Wait(settings_.sleep_for);
  const auto all_sleep = [this] {
    double awake = 0;
    for (const std::string& address : settings_.metrics) awake += ReadMetric(address, "dormouse_hubs_awake");
    return awake == 0;
  };
  if (WaitUntil(all_sleep, kSleepPatience)) return true;
  if (stops_ == 0) throw std::runtime_error("the hubs do not fall asleep; does somebody else use them?");
  return false;
}

void Director::StartMeasuring() {
  from_ = Look();
  result_.measured_from = ToSeconds(from_.at - sampler_.began());
  crew_.board()->measuring.store(true);
}

void Director::StopMeasuring() {
  crew_.board()->measuring.store(false);
  to_ = Look();
  result_.measured_to = ToSeconds(to_.at - sampler_.began());
}

void Director::MeasureActing() {
  Begin(Step::kAct);
  Wait(settings_.warm_up);
  StartMeasuring();
  Wait(settings_.duration);
  StopMeasuring();
  Do(Step::kSettle, settings_.timeout);
}

void Director::Verify() { Do(Step::kVerify, settings_.timeout + FromSeconds(settings_.connections * 1e-3)); }

void Director::Finish() {
  // What is left of an interval would be a sample of next to nothing.
  if (result_.samples.empty()) result_.samples.push_back(sampler_.Take());
  next_sample_ = kNever;
  if (!Do(Step::kClose, settings_.timeout))
    Fail(Fault::kMissing, 1, "the load processes do not come to their end");
  if (terminal_) std::fputs("\r\033[K", stderr);
  for (size_t kind = 0; kind < kFaults; ++kind) {
    uint64_t sum = failed_[kind];
    for (uint32_t i = 0; i < crew_.workers(); ++i) sum += crew_.slot(i).faults.counts[kind].load();
    result_.faults.emplace_back(kFaultNames[kind], sum);
  }
  for (const auto& [at, name] : result_.marks) {
    double longest = 0;
    for (const Sample& sample : result_.samples) {
      if (sample.at > at && sample.at <= at + kMarked) longest = std::max(longest, sample.longest_ms);
    }
    Add("longest after " + name, longest, "ms");
  }
  for (uint32_t i = 0; i < crew_.workers(); ++i) {
    const FaultLog& log = crew_.slot(i).faults;
    for (uint32_t k = 0; k < log.shown.load() && result_.words.size() < FaultLog::kShown; ++k) {
      result_.words.emplace_back(log.words[k]);
    }
  }
}

void Director::Fail(Fault fault, uint64_t count, const std::string& words) {
  failed_[static_cast<size_t>(fault)] += count;
  result_.words.push_back(std::string(kFaultNames[static_cast<size_t>(fault)]) + ": " + words);
}

const Histogram& Director::AddLatency(size_t series, const std::string& name, const std::string& says) {
  result_.distributions.push_back({name, says, MergedSeries(crew_, series)});
  return result_.distributions.back().histogram;
}

void Director::AddCpu(uint64_t count, const std::string& unit) {
  for (size_t i = 0; i < sampler_.names().size(); ++i) {
    const double seconds = to_.cpu_seconds[i] - from_.cpu_seconds[i];
    if (std::isnan(seconds)) continue;
    if (count > 0) Add("cpu." + sampler_.names()[i], seconds / static_cast<double>(count) * 1e6, unit);
    Add("cores." + sampler_.names()[i], seconds / measured_seconds(), "cores");
  }
}

void Director::AddMemory(const Totals& since, uint64_t count, const std::string& unit) {
  const Totals now = Look();
  for (size_t i = 0; i < sampler_.names().size(); ++i) {
    const double grown = now.bytes[i] - since.bytes[i];
    if (!std::isnan(grown)) Add("memory." + sampler_.names()[i], grown / static_cast<double>(count), unit);
  }
}

void Director::SayProgress(const Sample& sample) {
  uint64_t wrong = 0;
  for (uint32_t i = 0; i < crew_.workers(); ++i) {
    for (const auto& count : crew_.slot(i).faults.counts) wrong += count.load();
  }
  std::fprintf(stderr, "%s%6.0f s  %llu of %u ready  %9.0f /s  p50 %.3f ms  p99 %.3f ms  wrong %llu%s",
               terminal_ ? "\r\033[K" : "", sample.at, static_cast<unsigned long long>(sample.ready),
               settings_.connections, sample.rate, sample.p50_ms, sample.p99_ms,
               static_cast<unsigned long long>(wrong), terminal_ ? "" : "\n");
  std::fflush(stderr);
}

}  // namespace dormouse::load
