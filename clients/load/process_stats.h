// What processes have used, as the kernel counts it.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace dormouse::load {

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
  // One that has ended, and that nobody has asked about, has none.
  if (!(file >> total >> resident) || resident == 0)
    throw std::runtime_error("there is no process " + std::to_string(pid));
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
    if (equals == std::string::npos || std::atoi(word.c_str() + equals + 1) <= 0) {
      throw std::runtime_error("'" + word + "' is not NAME=PID of a process");
    }
    out.push_back({word.substr(0, equals), std::atoi(word.c_str() + equals + 1)});
  }
  return out;
}

}  // namespace dormouse::load
