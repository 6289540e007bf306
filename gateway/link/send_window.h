// How much of what a lane was sent it may not have dealt with yet. Events that wait for their turn
// (FairQueue) go as long as that is less than a window: enough to keep the lane busy, and little enough for
// those who pass not to wait behind it.
//
// Positions count the bytes of events on a stream; they wrap. Plain data; one thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dormouse {

class SendWindow {
 public:
  static constexpr uint32_t kBytes = 1u << 20;
  // A lane of which nothing was heard for so many looks (it waits for others, and not for want of time) is
  // taken to have dealt with what is on its way.
  static constexpr uint32_t kTicks = 5;

  // Where the next bytes begin.
  uint32_t position() const { return sent_; }
  // Whether one more event may go, with so many bytes that are to be sent before it.
  bool IsOpen(size_t before) const { return sent_ - done_ + static_cast<uint32_t>(before) < kBytes; }
  // Whether the lane has dealt with everything, as far as is known.
  bool empty() const { return sent_ == done_; }

  void Sent(size_t bytes) { sent_ += static_cast<uint32_t>(bytes); }
  // The lane has dealt with what it was sent up to there.
  void Done(uint32_t position) {
    if (sent_ - position >= sent_ - done_) return;  // known, or sent to another lane
    done_ = position;
    ticks_ = 0;
  }
  // Every now and then.
  void Tick() {
    if (++ticks_ > kTicks) Done(sent_);
  }
  void Restart() { *this = {}; }

 private:
  uint32_t sent_ = 0;
  uint32_t done_ = 0;   // of them
  uint32_t ticks_ = 0;  // since then
};

}  // namespace dormouse
