// How the allocator (glibc's) deals with memory that was freed.
#pragma once

#include <malloc.h>

namespace dormouse {

// Keeps some megabytes of it for what comes next. Left to itself the allocator gives the memory of each large
// message back to the system as soon as it is dealt with, and the next one pays for every page of it anew:
// half of what a message of 1 MB costs. Whoever wants all of it to go calls malloc_trim.
//
// Call it in main. See mallopt(3).
inline void KeepSomeFreedMemory() {
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
  mallopt(M_MMAP_THRESHOLD, 8 << 20);  // larger blocks come from the system, and go back to it at once
}

}  // namespace dormouse
