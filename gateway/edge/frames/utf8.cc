#include "gateway/edge/frames/utf8.h"

#include <cstring>

namespace dormouse::edge {

bool Utf8Reader::TakeByte(unsigned char byte) {
  if (missing_ > 0) {
    if (byte < low_ || byte > high_) return false;
    low_ = 0x80;
    high_ = 0xbf;
    --missing_;
    return true;
  }
  if (byte < 0x80) return true;
  if (byte >= 0xc2 && byte <= 0xdf) {
    missing_ = 1;
  } else if (byte >= 0xe0 && byte <= 0xef) {
    missing_ = 2;
    if (byte == 0xe0) low_ = 0xa0;
    if (byte == 0xed) high_ = 0x9f;
  } else if (byte >= 0xf0 && byte <= 0xf4) {
    missing_ = 3;
    if (byte == 0xf0) low_ = 0x90;
    if (byte == 0xf4) high_ = 0x8f;
  } else {
    return false;
  }
  return true;
}

bool Utf8Reader::Take(std::string_view piece) {
  const char* at = piece.data();
  const char* const end = at + piece.size();
  while (at < end) {
    uint64_t eight;
    while (missing_ == 0 && end - at >= 8 &&
           (std::memcpy(&eight, at, 8), (eight & 0x8080'8080'8080'8080u) == 0)) {
      at += 8;
    }
    if (at == end) break;
    if (!TakeByte(static_cast<unsigned char>(*at++))) return false;
  }
  return true;
}

bool IsValidUtf8(std::string_view bytes) {
  Utf8Reader reader;
  return reader.Take(bytes) && reader.complete();
}

void Utf8Reader::Save(takeover::Reader* to) const {
  to->set_utf8_missing(missing_);
  to->set_utf8_low(low_);
  to->set_utf8_high(high_);
}

void Utf8Reader::Restore(const takeover::Reader& from) {
  missing_ = static_cast<uint8_t>(from.utf8_missing());
  low_ = static_cast<uint8_t>(from.utf8_low());
  high_ = static_cast<uint8_t>(from.utf8_high());
}

}  // namespace dormouse::edge
