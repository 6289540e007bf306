#include "gateway/edge/utf8.h"

#include <cstdint>
#include <cstring>

namespace dormouse {
namespace {

// Length of the sequence at `at` (with `left` bytes to the end), 0 when there is no valid one.
size_t SequenceLength(const unsigned char* at, size_t left) {
  const unsigned char lead = at[0];
  size_t length = 0;
  unsigned char low = 0x80;  // bounds of the second byte: they exclude overlong forms and surrogates
  unsigned char high = 0xbf;
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (left < length || at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((at[i] & 0xc0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

bool IsValidUtf8(std::string_view bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const unsigned char* const end = at + bytes.size();
  while (at < end) {
    uint64_t eight;
    while (end - at >= 8 && (std::memcpy(&eight, at, 8), (eight & 0x8080'8080'8080'8080u) == 0)) at += 8;
    if (at == end) break;
    const size_t length = SequenceLength(at, static_cast<size_t>(end - at));
    if (length == 0) return false;
    at += length;
  }
  return true;
}

}  // namespace dormouse
