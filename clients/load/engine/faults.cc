#include "clients/load/engine/faults.h"

#include <algorithm>
#include <cstring>

namespace dormouse::load {

void FaultLog::Add(Fault fault, const std::string& text) {
  counts[static_cast<size_t>(fault)].fetch_add(1, std::memory_order_relaxed);
  const uint32_t at = shown.load(std::memory_order_relaxed);
  if (at == kShown) return;
  const std::string line = std::string(kFaultNames[static_cast<size_t>(fault)]) + ": " + text;
  const size_t size = std::min(line.size(), kLength - 1);
  std::memcpy(words[at], line.data(), size);
  words[at][size] = 0;
  shown.store(at + 1, std::memory_order_release);
}

}  // namespace dormouse::load
