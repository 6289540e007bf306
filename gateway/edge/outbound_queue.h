// What waits to be written to one slow (or closing) socket, in order, with its bytes counted.
//
// A message longer than kChunk is written as fragments: a socket takes what it can, and the rest stays in the
// shared buffer instead of a private copy in the library. Buffers are shared among all recipients that a
// message waits for.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/packed.h"

namespace dormouse {

// kFrameHeadroom bytes, then the payload.
using SharedFrame = std::shared_ptr<std::string>;
SharedFrame NewSharedFrame(std::string_view payload);

// Bytes of a connection that may wait. 0: that mark is off.
struct OutboundMarks {
  uint64_t pause = 0;
  uint64_t resume = 0;
  uint64_t limit = 0;
};

class OutboundQueue {
 public:
  static constexpr size_t kChunk = 65'536;

  struct Close {
    uint16_t code;
    std::string reason;
  };
  // What to write next. The kFrameHeadroom bytes before `data` may be overwritten if they are restored.
  struct Chunk {
    char* data;
    size_t size;
    bool first;  // of its message
    bool last;
    bool binary;
  };
  // A mark that the bytes have just crossed.
  enum class Crossing { kNone, kPause, kResume, kLimit };

  // `from`: bytes of the payload that were written already (as fragments). `returnable`: to the connection's
  // hub, if it is not sent.
  Crossing Push(SharedFrame frame, bool binary, size_t from, const OutboundMarks& marks,
                bool returnable = false);

  bool has_chunk() const { return !frames_.empty(); }
  Chunk NextChunk() const;
  // The chunk went out (or into the library's buffer, where it counts as waiting until Flushed).
  void ChunkWritten(bool buffered);
  // `size` bytes that never were in the queue are in the library's buffer.
  Crossing Buffered(size_t size, const OutboundMarks& marks);
  // The library has nothing buffered (any more).
  void Flushed();
  // Call after ChunkWritten and Flushed, once things have settled.
  Crossing Settle(const OutboundMarks& marks);

  // Forgets all that waits (what the library has buffered stays). Gives back what is returnable of it, oldest
  // first.
  std::vector<SharedFrame> Clear();
  // The same for what is returnable only; the rest still waits, unless a frame that was begun is given back:
  // then nothing can follow it.
  std::vector<SharedFrame> TakeReturnable();
  size_t bytes() const { return bytes_ + buffered_; }

  // To be done after all that waits.
  void SetClose(Close close) { close_ = std::move(close); }
  const std::optional<Close>& close() const { return close_; }
  bool idle() const { return frames_.empty() && buffered_ == 0 && !close_.has_value(); }

 private:
  struct Frame {
    SharedFrame bytes;
    size_t written;
    bool binary;
    bool returnable;
  };
  Crossing Up(const OutboundMarks& marks);

  std::deque<Frame> frames_;
  size_t bytes_ = 0;
  size_t buffered_ = 0;
  bool paused_ = false;
  std::optional<Close> close_;
};

}  // namespace dormouse
