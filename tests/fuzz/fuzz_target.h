// What a fuzz target, X_fuzz.cc beside X.cc, consists of. dormouse_fuzzer (CMakeLists.txt) links it with
// libFuzzer where the compiler is clang, so that coverage guides what is tried:
//
//   cmake --preset fuzz && cmake --build build/fuzz --target http_request_fuzz
//   build/fuzz/common/http/http_request_fuzz -max_total_time=3600 CORPUS-DIRECTORY
//
// With every other compiler main.cc mutates the seeds blindly, in the same command line's terms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

// Whatever the input, it returns 0, or the process dies: by itself, by a sanitizer, or by Demand.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace dormouse {

// Inputs to begin with, which say what the parser is for.
std::vector<std::string> FuzzSeeds();

// Of an invariant. Not assert: what is tried is also what is shipped.
inline void Demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

}  // namespace dormouse
