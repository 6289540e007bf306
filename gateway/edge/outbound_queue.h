// What waits to be written to one slow (or closing) socket, in order, with its bytes counted.
//
// A message is a head of its own and a body that it shares with all whom it waits for: the two are put
// together when they are written, a chunk at a time. A message longer than a chunk is written as fragments: a
// socket takes what it can, and the rest stays in the shared body instead of a private copy in the library.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/shared_bytes.h"
#include "proto/packed.h"

namespace dormouse {

// What of a connection may wait. 0: that mark is off.
struct OutboundMarks {
  uint64_t pause = 0;  // bytes
  uint64_t resume = 0;
  uint64_t limit = 0;
  uint32_t pause_messages = 0;  // either pause mark pauses; both must have been left to resume
  uint32_t resume_messages = 0;
};

// The bytes of a message, wherever they lie.
struct MessageParts {
  std::string_view head;
  char* body = nullptr;  // with kFrameHeadroom bytes before it that may be overwritten if they are restored
  size_t body_size = 0;

  size_t size() const { return head.size() + body_size; }
};

// A part of a message, to be written as one frame. The kFrameHeadroom bytes before `data` may be overwritten
// if they are restored.
struct OutboundChunk {
  char* data;
  size_t size;
  bool first;  // of its message
  bool last;
  bool binary;
};
// The part from `from` on, of at most `most` bytes: where it lies, or put together in `*scratch`.
OutboundChunk ChunkOf(const MessageParts& message, bool binary, size_t from, size_t most,
                      std::string* scratch);

class OutboundQueue {
 public:
  // The most of a message that is written at once to a socket that makes others wait, and so the most of it
  // that the library may have to copy.
  static constexpr size_t kChunk = 16'384;

  struct Close {
    uint16_t code;
    std::string reason;
  };
  struct Frame {
    std::string head = {};
    SharedBody body = {};  // may be empty
    bool binary = false;
    bool returnable = false;  // to the connection's hub, if it is not sent
    size_t written = 0;       // bytes that were written already (as fragments)

    size_t size() const { return head.size() + (body == nullptr ? 0 : body->size()); }
  };
  // A mark that has just been crossed. kPause comes again whenever the messages, or the bytes, are twice what
  // they were when it came last.
  enum class Crossing { kNone, kPause, kResume, kLimit };

  // `budget` outlives this; `now_ms`: SteadyMs().
  OutboundQueue(OutboundBudget* budget, int64_t now_ms);
  ~OutboundQueue();
  OutboundQueue(const OutboundQueue&) = delete;
  OutboundQueue& operator=(const OutboundQueue&) = delete;

  Crossing Push(Frame frame, const OutboundMarks& marks);

  bool has_chunk() const { return !frames_.empty(); }
  // At most kChunk, and `most`.
  OutboundChunk NextChunk(std::string* scratch, size_t most = kChunk) const;
  bool next_is_returnable() const { return frames_.front().returnable; }
  // The chunk went out (or into the library's buffer, where it counts as waiting until Flushed). `most`: as
  // of NextChunk. Gives the message back if that was the last of it and it is returnable.
  std::optional<Frame> ChunkWritten(bool buffered, int64_t now_ms, size_t most = kChunk);
  // `size` bytes of a message that never was in the queue are in the library's buffer. What is left of the
  // message is pushed after.
  Crossing Buffered(size_t size, const OutboundMarks& marks);
  // The library has nothing buffered (any more).
  void Flushed(int64_t now_ms);
  // Call after ChunkWritten and Flushed, once things have settled.
  Crossing Settle(const OutboundMarks& marks);

  // Forgets all that waits (what the library has buffered stays). Gives back what is returnable of it, oldest
  // first.
  std::vector<Frame> Clear();
  // The same for what is returnable only; the rest still waits, unless a frame that was begun is given back:
  // then nothing can follow it.
  std::vector<Frame> TakeReturnable();
  size_t bytes() const { return bytes_ + buffered_; }
  // Messages that the kernel has not taken whole, and their bytes that it has not.
  Backlog waiting() const {
    return {.messages = static_cast<uint32_t>(frames_.size()) + buffered_messages_, .bytes = bytes()};
  }

  // --- Who is to go when memory for what waits is short.
  // Memory that this socket holds: its own, and of what it shares its part. A guess from the oldest messages.
  uint64_t Held() const;
  // SteadyMs() since when it has taken nothing.
  int64_t still_since_ms() const { return still_since_ms_; }
  // The oldest of the bodies that it waits for (SharedBytes::number).
  uint64_t oldest_body() const;

  // Whether the socket is in line to be written to, because too much was written in one turn of the loop.
  bool in_line = false;

  // To be done after all that waits.
  void SetClose(Close close) { close_ = std::move(close); }
  const std::optional<Close>& close() const { return close_; }
  bool idle() const { return frames_.empty() && buffered_ == 0 && !close_.has_value(); }

 private:
  static MessageParts PartsOf(const Frame& frame);
  static size_t Own(const Frame& frame);
  Crossing Up(const OutboundMarks& marks);
  void Count();

  OutboundBudget* const budget_;
  std::deque<Frame> frames_;
  size_t bytes_ = 0;
  size_t own_ = 0;  // memory of frames_ but for the bodies
  size_t buffered_ = 0;
  uint32_t buffered_messages_ = 0;    // whose last bytes are the library's
  std::optional<Backlog> paused_at_;  // what waited when kPause came last
  std::optional<Close> close_;
  int64_t still_since_ms_;
  uint64_t counted_memory_ = 0;  // in the budget
  uint64_t counted_queued_ = 0;
};

}  // namespace dormouse
