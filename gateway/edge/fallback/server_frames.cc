#include "gateway/edge/fallback/server_frames.h"

#include <algorithm>
#include <cstring>

namespace dormouse::edge {
namespace {

size_t HeaderSizeOf(uint8_t second) {
  const uint8_t length = second & 0x7f;
  return length == 127 ? 10 : length == 126 ? 4 : 2;
}

}  // namespace

// False: it is not whole yet.
bool ServerFrames::TakeHeader(std::string_view* bytes) {
  size_t wanted = header_size_ < 2 ? 2 : HeaderSizeOf(static_cast<uint8_t>(header_[1]));
  while (header_size_ < wanted) {
    if (bytes->empty()) return false;
    header_[header_size_++] = bytes->front();
    bytes->remove_prefix(1);
    if (header_size_ == 2) wanted = HeaderSizeOf(static_cast<uint8_t>(header_[1]));
  }
  const auto first = static_cast<uint8_t>(header_[0]);
  left_ = static_cast<uint8_t>(header_[1]) & 0x7f;
  if (wanted > 2) {
    left_ = 0;
    for (size_t i = 2; i < wanted; ++i) left_ = left_ << 8 | static_cast<uint8_t>(header_[i]);
  }
  header_size_ = 0;
  final_ = (first & 0x80) != 0;
  frame_ = static_cast<Opcode>(first & 0x0f);
  in_frame_ = true;
  if (IsControl(frame_)) {
    control_.clear();
  } else if (frame_ != Opcode::kContinuation) {
    message_opcode_ = frame_;
    message_ = {};
  }
  return true;
}

ServerFrames::Step ServerFrames::Next(std::string_view* bytes) {
  for (;;) {
    if (!in_frame_ && !TakeHeader(bytes)) return {};
    const std::string_view piece = bytes->substr(0, std::min<uint64_t>(left_, bytes->size()));
    bytes->remove_prefix(piece.size());
    left_ -= piece.size();
    const bool whole = left_ == 0;
    in_frame_ = !whole;
    if (IsControl(frame_)) {
      control_.append(piece);
      if (whole) return {true, frame_, control_};
    } else if (whole && final_ && message_.empty()) {
      return {true, message_opcode_, piece};
    } else {
      message_.append(piece);
      if (whole && final_) return {true, message_opcode_, message_};
    }
    if (!whole) return {};
  }
}

size_t WriteClientHeader(Opcode opcode, bool final, uint64_t length, char* out) {
  const size_t length_size = length > 65'535 ? 8 : length > 125 ? 2 : 0;
  out[0] = static_cast<char>((final ? 0x80 : 0) | static_cast<uint8_t>(opcode));
  out[1] = static_cast<char>(0x80 | (length_size == 8 ? 127 : length_size == 2 ? 126 : length));
  for (size_t i = 0; i < length_size; ++i)
    out[2 + i] = static_cast<char>(length >> (8 * (length_size - 1 - i)) & 0xff);
  std::memset(out + 2 + length_size, 0, 4);
  return 2 + length_size + 4;
}

std::string ClientControlFrame(Opcode opcode, std::string_view payload) {
  char header[kMaxClientHeader];
  const size_t size = WriteClientHeader(opcode, true, payload.size(), header);
  return std::string(header, size).append(payload);
}

}  // namespace dormouse::edge
