// What a process has used, from /proc.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace dormouse::bench {

// Processor time of all its threads since it started, in seconds (a resolution of 10 ms).
inline double CpuSeconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error("there is no process " + std::to_string(pid));
  // The name, in parentheses, may hold anything. Fields 14 and 15 are utime and stime; the first after it
  // is 3.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
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

}  // namespace dormouse::bench
