// WebSocket frames as a client sees them (RFC 6455, 5): reads what our own edge writes, and writes headers of
// frames to it. Not for strangers: the other end of the pair (fallback_connection.h) is this process's, so
// nothing is held against the rules, and nothing is masked but by zeros.
//
// A value; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/edge/frames/opcode.h"

namespace dormouse::edge {

class ServerFrames {
 public:
  struct Step {
    bool whole = false;  // else more bytes are needed
    Opcode opcode = Opcode::kText;
    std::string_view payload = {};  // until the next call, or as long as the bytes
  };
  // Takes the next message or control frame off the front of `*bytes`, as far as it has come.
  Step Next(std::string_view* bytes);
  // Of a message that has come in part.
  size_t memory() const { return message_.capacity(); }

 private:
  bool TakeHeader(std::string_view* bytes);

  std::array<char, 10> header_;
  uint8_t header_size_ = 0;
  bool in_frame_ = false;
  bool final_ = false;
  Opcode frame_ = Opcode::kText;
  Opcode message_opcode_ = Opcode::kText;
  uint64_t left_ = 0;  // of the frame
  std::string message_;
  std::string control_;
};

// The header of a client's frame, masked with zeros. Returns its size.
inline constexpr size_t kMaxClientHeader = 14;
size_t WriteClientHeader(Opcode opcode, bool final, uint64_t length, char* out);
// A control frame.
std::string ClientControlFrame(Opcode opcode, std::string_view payload);

}  // namespace dormouse::edge
