// The processor time that the calling thread has used so far: what work costs, however busy the machine is.
#pragma once

#include <chrono>
#include <ctime>

namespace dormouse {

inline std::chrono::nanoseconds ThreadTime() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace dormouse
