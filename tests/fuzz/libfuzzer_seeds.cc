// Gives libFuzzer a target's seeds (fuzz_target.h), which it would else want as files: now and then an input
// is one of them, mutated further.
#include <cstring>

#include "tests/fuzz/fuzz_target.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  static const std::vector<std::string> kSeeds = dormouse::FuzzSeeds();
  if (size <= 1 || seed % 1024 == 0) {  // it begins with an input of one byte
    const std::string& chosen = kSeeds[seed / 1024 % kSeeds.size()];
    if (chosen.size() <= max_size) {
      size = chosen.size();
      std::memcpy(data, chosen.data(), size);
    }
  }
  return LLVMFuzzerMutate(data, size, max_size);
}
