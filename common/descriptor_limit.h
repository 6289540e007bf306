// How many files and sockets this process may have open.
#pragma once

#include <sys/resource.h>

namespace dormouse {

// Each connection takes a descriptor: as many as the system lets us have. Call it in main.
inline void RaiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace dormouse
