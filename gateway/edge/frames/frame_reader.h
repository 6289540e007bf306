// Reads the frames that a client sends (RFC 6455, 5), from bytes that come cut anywhere, and holds them
// against the rules as early as they can be: a header is judged when it is there, text with each byte.
//
// Nothing is copied or kept: payload is unmasked where it lies and handed on as far as it has come. Only what
// cannot be judged yet (a header, or a control frame, that is not whole: less than kMaxUnread bytes) is left
// to the caller, who brings it again in front of what comes next. So an idle connection is the few bytes of
// this record.
//
// A value; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "gateway/edge/frames/opcode.h"
#include "gateway/edge/frames/utf8.h"
#include "proto/takeover.pb.h"

namespace dormouse::edge {

class FrameReader {
 public:
  static constexpr size_t kMaxUnread = 14 + kMaxControlPayload;

  enum class Kind : uint8_t {
    kNothing,  // more bytes are needed
    kPiece,    // of a message
    kPing,
    kPong,
    kClose,
    kFail,  // the connection must be failed; nothing can be read after it
  };
  struct Step {
    Kind kind = Kind::kNothing;
    // kPiece: what has come of its frame; it may be empty. kPing, kPong, kClose: the whole payload.
    // kFail: what is wrong, in words. Valid as long as the bytes.
    std::string_view data = {};
    // Of a piece.
    bool first = false;  // of its message
    bool last = false;
    bool binary = false;      // the message
    bool compressed = false;  // the message (RFC 7692)
    uint64_t remaining = 0;   // bytes of the same frame that are still to come
    // kFail: what the close frame is to say; kClose: what it says (kNoCloseCode where it names none).
    uint16_t code = 0;
  };

  // Takes one step off the front of `*bytes`.
  Step Next(std::span<char>* bytes);

  // Whether messages may be compressed, as negotiated when the socket was opened. Off at first.
  void AllowCompressed() { may_compress_ = true; }
  // Bytes of the frame under way that are still to come.
  uint64_t remaining() const { return remaining_; }

  // For this process's successor.
  void Save(takeover::Reader* to) const;
  void Restore(const takeover::Reader& from);

 private:
  Step Begin(std::span<char>* bytes);
  Step Control(Opcode opcode, std::string_view payload) const;
  Step Piece(std::span<char>* bytes);
  Step Fail(uint16_t code, std::string_view what) const {
    return {.kind = Kind::kFail, .data = what, .code = code};
  }

  uint64_t remaining_ = 0;
  uint32_t mask_ = 0;  // advanced to the next byte
  Utf8Reader text_;
  bool may_compress_ : 1 = false;
  bool in_message_ : 1 = false;
  bool in_frame_ : 1 = false;  // a data frame has begun and its end has not been handed on
  bool fresh_ : 1 = false;     // nothing of the message has been handed on
  bool final_ : 1 = false;     // the frame is its message's last
  bool binary_ : 1 = false;
  bool compressed_ : 1 = false;
};

}  // namespace dormouse::edge
