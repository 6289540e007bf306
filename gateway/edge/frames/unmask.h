// The masking of clients' payloads (RFC 6455, 5.3), taken off by words. Pure functions; any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dormouse::edge {

// The mask as it lies in the frame, for the byte that comes `bytes` later.
inline uint32_t AdvanceMask(uint32_t mask, size_t bytes) {
  return std::rotr(mask, static_cast<int>(8 * (bytes % 4)));
}

// In place. `mask`: the four bytes of the frame as they lie there (little-endian, as on every machine that we
// build for), advanced to the first byte of `data`.
inline void Unmask(char* data, size_t size, uint32_t mask) {
  const uint64_t twice = uint64_t{mask} << 32 | mask;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    std::memcpy(&word, data + i, 8);
    word ^= twice;
    std::memcpy(data + i, &word, 8);
  }
  for (; i < size; ++i) data[i] = static_cast<char>(data[i] ^ static_cast<char>(twice >> (8 * (i % 8))));
}

}  // namespace dormouse::edge
