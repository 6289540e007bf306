// Whether bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF,
// nothing cut off. Plain ASCII is checked eight bytes at a time. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "proto/takeover.pb.h"

namespace dormouse::edge {

bool IsValidUtf8(std::string_view bytes);

// The same for text that comes in pieces, cut anywhere: what can be no part of valid text is found with the
// byte that makes it so. A value of eight bytes.
class Utf8Reader {
 public:
  // False: it is not UTF-8, whatever comes.
  bool Take(std::string_view piece);
  // Whether the text may end here.
  bool complete() const { return missing_ == 0; }

  // For this process's successor.
  void Save(takeover::Reader* to) const;
  void Restore(const takeover::Reader& from);

 private:
  bool TakeByte(unsigned char byte);

  uint8_t missing_ = 0;  // bytes of the character under way
  uint8_t low_ = 0x80;   // bounds of its next byte: they exclude overlong forms, surrogates, and too large
  uint8_t high_ = 0xbf;
};

}  // namespace dormouse::edge
