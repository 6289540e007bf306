// What may be wrong with what a server says, and how often it was.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dormouse::load {

enum class Fault : uint8_t { kWrong, kRefused, kMissing, kDoubled, kReordered, kClosed };
constexpr size_t kFaults = 6;
constexpr const char* kFaultNames[kFaults] = {"wrong",   "refused",   "missing",
                                              "doubled", "reordered", "closed"};

// Faults that one thread counts and others may look at meanwhile, the first few in words. It is used where it
// lies, in memory that processes share; all zeros is an empty one.
struct FaultLog {
  static constexpr size_t kShown = 8;
  static constexpr size_t kLength = 480;

  std::atomic<uint64_t> counts[kFaults];
  std::atomic<uint32_t> shown;
  char words[kShown][kLength];

  void Add(Fault fault, const std::string& text);
};

}  // namespace dormouse::load
