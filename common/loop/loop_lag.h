// How long the turns of an event loop take: whatever comes for a loop meanwhile waits as long. Costs one look
// at the clock a turn; the histogram is told every tenth of a second, and of a long turn at once.
//
// On the loop's thread.
#pragma once

#include <ev.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <vector>

namespace dormouse {

class LoopLag {
 public:
  // The histogram, dormouse_loop_lag_seconds, of a registry that outlives this.
  static prometheus::Histogram& NewHistogram(prometheus::Registry* registry,
                                             const prometheus::Labels& labels);

  // `loop` and `histogram` outlive it.
  LoopLag(struct ev_loop* loop, prometheus::Histogram* histogram);
  ~LoopLag();
  LoopLag(const LoopLag&) = delete;
  LoopLag& operator=(const LoopLag&) = delete;

 private:
  void OnTurnEnd();

  struct ev_loop* const loop_;
  prometheus::Histogram* const histogram_;
  ev_check turn_begin_;
  ev_prepare turn_end_;
  double begun_ = 0;  // when the loop woke; 0: it has not turned yet
  double told_ = 0;
  std::vector<double> untold_;  // by bucket
  double untold_sum_ = 0;
};

}  // namespace dormouse
