// When a stream to a lane that ended, or could not be opened, is opened again. A broken one soon. One on
// which the ends could not agree is opened once more just to go on; if that does not help, it is to start
// afresh, and two ends that never agree try seldom: twice as long each time.
//
// Times are of the steady clock, in milliseconds. Plain data; one thread.
#pragma once

#include <cstdint>

namespace dormouse {

class StreamBackoff {
 public:
  bool IsDue(int64_t now_ms) const { return now_ms >= open_at_ms_; }
  // One is opened. Returns how many were since the last that was greeted.
  uint32_t Open() { return attempts_++; }
  // Whether the one that ends now is the first since then.
  bool is_first() const { return attempts_ == 1; }
  void Greeted(int64_t now_ms);

  // It ended.
  void Broke(int64_t now_ms);
  // The ends do not understand each other; `greeted`: they had begun to. True: going on does not help, it has
  // to start afresh.
  bool Disagreed(int64_t now_ms, bool greeted);

 private:
  uint32_t attempts_ = 0;
  uint32_t disagreements_ = 0;  // of late
  int64_t greeted_at_ms_ = 0;
  int64_t open_at_ms_ = 0;
};

}  // namespace dormouse
