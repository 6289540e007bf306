// What waits to be written to one slow (or closing) socket, in order, with its bytes counted.
//
// A message is a head of its own and a body that it shares with all whom it waits for. They are cut into
// frames as they are written (frames/wire_message.h), and a frame that was begun is always finished: what a
// client gets ends between two frames, and with a close frame where there is one.
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

#include "gateway/edge/buffers/shared_bytes.h"
#include "gateway/edge/frames/wire_message.h"
#include "gateway/edge/frames/write_batch.h"
#include "gateway/edge/rules/outbound_limits.h"
#include "proto/packed.h"
#include "proto/takeover.pb.h"

namespace dormouse::edge {

class OutboundQueue {
 public:
  struct Frame {
    Opcode opcode = Opcode::kText;
    std::string head = {};
    SharedBody body = {};     // may be empty
    bool returnable = false;  // to the connection's hub, if it is not sent
    bool compressed = false;  // the body is (RFC 7692), and there is no head
    size_t sent = 0;          // bytes on the wire
    size_t end = SIZE_MAX;    // of those that are to be sent, where that is not all

    size_t size() const { return head.size() + (body == nullptr ? 0 : body->size()); }
    // Whether its last frame has been begun: what is left of that will go, too, and then its client has all.
    bool IsEnding() const { return sent > 0 && wire().EndOfFrame(sent) == wire().wire_size(); }
    WireMessage wire() const {
      return {opcode, head, body == nullptr ? std::string_view() : body->view(), compressed};
    }
  };
  // A mark that has just been crossed. kPause comes again whenever the messages, or the bytes, are twice what
  // they were when it came last.
  enum class Crossing { kNone, kPause, kResume, kLimit };

  // `budget` outlives this; `now_ms`: SteadyMs().
  OutboundQueue(OutboundBudget* budget, int64_t now_ms);
  ~OutboundQueue();
  OutboundQueue(const OutboundQueue&) = delete;
  OutboundQueue& operator=(const OutboundQueue&) = delete;

  Crossing Push(Frame frame, const OutboundWatermarks& marks);

  // A ping's answer. It goes before what was not begun, in the place of an earlier one: a client that asks
  // and does not read is owed the last answer alone (RFC 6455, 5.5.3).
  void PushPong(std::string_view payload);

  bool empty() const { return frames_.empty(); }
  // Whether a part of a frame has gone out.
  bool mid_message() const { return !frames_.empty() && frames_.front().sent > 0; }
  // Adds what comes next to a write: at most `most` bytes, and what the batch takes. True: something of it is
  // returnable.
  bool Gather(WriteBatch* batch, size_t most) const;
  // So many bytes of what was gathered went out. `*whole` gets those messages that did so to their end and
  // are returnable, and a close frame.
  void Sent(size_t bytes, int64_t now_ms, std::vector<Frame>* whole);
  // Call after Sent.
  Crossing CheckResume(const OutboundWatermarks& marks);

  // Forgets all that waits, but for the rest of a frame that was begun, and a close frame. Gives back what is
  // returnable of it, oldest first.
  std::vector<Frame> Clear();
  // The same for what is returnable only; the rest still waits, unless a frame that was begun is given back:
  // then nothing can follow it.
  std::vector<Frame> TakeReturnable();
  size_t bytes() const { return bytes_; }
  // Messages that the kernel has not taken whole, and their bytes that it has not.
  Backlog waiting() const { return {.messages = messages_, .bytes = bytes_}; }

  // --- Who is to go when memory for what waits is short.
  // Memory that this socket holds: its own, and of what it shares its part. A guess from the oldest messages.
  uint64_t MemoryShare() const;
  // SteadyMs() since when it has taken nothing.
  int64_t stalled_since_ms() const { return stalled_since_ms_; }
  // The oldest of the bodies that it waits for (SharedBytes::number).
  uint64_t oldest_body() const;

  // --- For this process's successor. Frames are saved apart, oldest first (frame_state.h).
  void Save(takeover::Queue* to) const;
  const std::deque<Frame>& frames() const { return frames_; }
  // Of a fresh one.
  void Restore(const takeover::Queue& from);
  // Behind the others; no mark is crossed by it.
  void RestoreFrame(Frame frame);

  // Whether the socket is in line to be written to, because too much was written in one turn of the loop.
  bool write_scheduled = false;

 private:
  static size_t MemoryOf(const Frame& frame);
  static size_t PayloadLeft(const Frame& frame);
  // To and from the sums below.
  void Account(const Frame& frame);
  void Unaccount(const Frame& frame);
  Crossing CheckPause(const OutboundWatermarks& marks);
  void UpdateBudget();

  OutboundBudget* const budget_;
  std::deque<Frame> frames_;
  size_t bytes_ = 0;                  // of payload, control frames included
  uint32_t messages_ = 0;             // without control frames
  size_t own_ = 0;                    // memory of frames_ but for the bodies
  std::optional<Backlog> paused_at_;  // what waited when kPause came last
  int64_t stalled_since_ms_;
  uint64_t counted_memory_ = 0;  // in the budget
  uint64_t counted_queued_ = 0;
};

}  // namespace dormouse::edge
