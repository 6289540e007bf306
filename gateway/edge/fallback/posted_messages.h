// Messages in the body of a POST, one behind the other:
//
//   text 15\n{"type":"ping"}binary 3\n\x00\x01\x02
//
// each a line that says its kind and its length in bytes, and then so many bytes. Taken apart as they come,
// cut anywhere; nothing of a message is kept here. A value; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dormouse::edge {

class PostedMessages {
 public:
  enum class Kind : uint8_t {
    kMore,   // bytes are needed
    kBegin,  // of a message; a piece follows, though it may be empty
    kPiece,  // of the message
    kBad,    // it is not what is said above; nothing can be read after it
  };
  struct Step {
    Kind kind = Kind::kMore;
    bool binary = false;          // of kBegin
    uint64_t length = 0;          // of kBegin: the whole message
    std::string_view piece = {};  // of kPiece; a view into the bytes
    bool last = false;            // of kPiece
  };
  // Takes one step off the front of `*bytes`.
  Step Next(std::string_view* bytes);
  // Nothing has come of a message that has not come whole.
  bool at_border() const { return !in_message_ && line_size_ == 0; }

 private:
  Step Begin();

  std::array<char, 32> line_;
  uint8_t line_size_ = 0;
  bool in_message_ = false;
  uint64_t left_ = 0;
};

}  // namespace dormouse::edge
