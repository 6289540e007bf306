// How many messages a second a hub handles: counted in slices of a second over the last ten, in memory only.
// Counting costs a few instructions, however many messages there are.
#pragma once

#include <array>
#include <cstdint>

namespace dormouse::signal {

class Throughput {
 public:
  static constexpr int64_t kWindowMs = 10'000;

  void Count(int64_t now_ms);
  // Over the window, or the time since the first count where that is shorter (but a second at least).
  double PerSecond(int64_t now_ms) const;

 private:
  static constexpr int64_t kSliceMs = 1'000;
  struct Slice {
    int64_t number = -1;  // time / kSliceMs
    uint64_t messages = 0;
  };
  std::array<Slice, kWindowMs / kSliceMs> slices_;
  int64_t first_ms_ = 0;  // 0: nothing was counted
};

}  // namespace dormouse::signal
