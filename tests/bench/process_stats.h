// What processes have used, as the kernel counts it.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/figures.h"

namespace dormouse::bench {

// Processor time of all its threads since it started, in seconds. (/proc/PID/stat counts in steps of 10 ms.)
inline double CpuSeconds(int pid) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
    throw std::runtime_error("there is no process " + std::to_string(pid));
  }
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

// Resident memory in bytes.
inline uint64_t ResidentBytes(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  if (!(file >> total >> resident)) throw std::runtime_error("there is no process " + std::to_string(pid));
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// "gateway=1234": a process to be watched, by the name that figures are printed under.
struct Watched {
  std::string name;
  int pid = 0;
};

inline std::vector<Watched> ParseWatched(const std::vector<std::string>& words) {
  std::vector<Watched> out;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) throw std::runtime_error("'" + word + "' is not NAME=PID");
    out.push_back({word.substr(0, equals), std::stoi(word.substr(equals + 1))});
  }
  return out;
}

// The processor time that processes use from Start on.
class CpuMeter {
 public:
  explicit CpuMeter(std::vector<Watched> watched) : watched_(std::move(watched)) { Start(); }

  void Start() {
    before_.clear();
    for (const Watched& process : watched_) before_.push_back(CpuSeconds(process.pid));
  }

  // A line NAME.PROCESS for each: seconds divided by `per`.
  void Print(const std::string& name, double per, const char* unit) const {
    for (size_t i = 0; i < watched_.size(); ++i) {
      bench::Print(name + "." + watched_[i].name, (CpuSeconds(watched_[i].pid) - before_[i]) / per, unit);
    }
  }

 private:
  std::vector<Watched> watched_;
  std::vector<double> before_;
};

}  // namespace dormouse::bench
