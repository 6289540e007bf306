// A message as it goes out: its bytes, and how they are cut into frames (RFC 6455, 5.2 and 5.4).
//
// A message is a head of its own and a body that others share; neither is copied. Only a
// very long one goes in fragments, so that a socket that takes little can still be closed, and its client
// told so, after the fragment under way; clients that refuse long fragments exist. How a message is cut
// depends on its size alone: so a position in its bytes says everything about how far it has come. The server
// does not mask.
//
// A value, of views; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/edge/frames/opcode.h"
#include "gateway/edge/frames/write_batch.h"

namespace dormouse::edge {

class WireMessage {
 public:
  // A message of up to kMaxUnfragmented bytes is one frame; a longer one is cut into fragments of
  // kFragmentSize.
  static constexpr size_t kMaxUnfragmented = 4u << 20;
  static constexpr size_t kFragmentSize = 16'384;

  // `compressed`: as RFC 7692 has it.
  WireMessage(Opcode opcode, std::string_view head, std::string_view body, bool compressed = false)
      : opcode_(opcode), compressed_(compressed), head_(head), body_(body) {}

  size_t payload_size() const { return head_.size() + body_.size(); }
  // Bytes of all its frames, headers included.
  size_t wire_size() const;
  // Of the payload, that are within the first `wire` bytes.
  size_t PayloadWithin(size_t wire) const;
  // Where the frame ends that `wire` lies within; `wire` itself at the border of two.
  size_t EndOfFrame(size_t wire) const;

  // The header of its first frame: writes it, and returns its size.
  static constexpr size_t kMaxHeader = 10;
  size_t WriteHeader(char* out) const {
    PutHeader(0, out);
    return HeaderSize(FragmentSize(0));
  }
  // Adds the bytes from `from` up to `to`, or as far as the batch takes. Returns how many.
  size_t AppendTo(WriteBatch* batch, size_t from, size_t to) const;

 private:
  size_t fragments() const {
    return payload_size() <= kMaxUnfragmented ? 1 : (payload_size() + kFragmentSize - 1) / kFragmentSize;
  }
  size_t FragmentSize(size_t fragment) const;
  // Of any fragment but the last, header included.
  size_t wire_stride() const {
    return fragments() == 1 ? wire_size() : kFragmentSize + HeaderSize(kFragmentSize);
  }
  static size_t HeaderSize(size_t payload) { return payload > 65'535 ? 10 : payload > 125 ? 4 : 2; }
  void PutHeader(size_t fragment, char* out) const;

  Opcode opcode_;
  bool compressed_;
  std::string_view head_;
  std::string_view body_;
};

}  // namespace dormouse::edge
