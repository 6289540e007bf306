// What a driver prints: one figure a line, NAME VALUE UNIT.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace dormouse::bench {

// Seconds of a clock that only goes forward.
inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline void Print(const std::string& name, double value, const char* unit) {
  std::printf("%-44s %12.2f %s\n", name.c_str(), value, unit);
  std::fflush(stdout);
}

// Sorts `seconds`, prints percentiles in microseconds.
inline void PrintLatency(const std::string& name, std::vector<float>* seconds) {
  std::sort(seconds->begin(), seconds->end());
  const auto at = [&](double share) {
    return (*seconds)[static_cast<size_t>(share * static_cast<double>(seconds->size() - 1))] * 1e6;
  };
  if (seconds->empty()) throw std::runtime_error("nothing was measured");
  Print(name + ".p50", at(0.5), "us");
  Print(name + ".p99", at(0.99), "us");
  Print(name + ".p999", at(0.999), "us");
  Print(name + ".max", at(1), "us");
}

}  // namespace dormouse::bench
