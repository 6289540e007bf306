#include "common/loop/loop_lag.h"

#include <algorithm>

namespace dormouse {
namespace {

const prometheus::Histogram::BucketBoundaries kBuckets = {0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                          0.025,  0.05,   0.1,   0.25,   0.5,   1};
constexpr double kTellEachS = 0.1;
constexpr double kLongS = 0.01;

}  // namespace

prometheus::Histogram& LoopLag::NewHistogram(prometheus::Registry* registry,
                                             const prometheus::Labels& labels) {
  return prometheus::BuildHistogram()
      .Name("dormouse_loop_lag_seconds")
      .Help(
          "How long a turn of the event loop took, which is how long what came meanwhile had to wait: 10 ms "
          "at most is what bounds are made for")
      .Register(*registry)
      .Add(labels, kBuckets);
}

LoopLag::LoopLag(struct ev_loop* loop, prometheus::Histogram* histogram)
    : loop_(loop), histogram_(histogram), untold_(kBuckets.size() + 1) {
  // The loop has just looked at the clock.
  ev_check_init(&turn_begin_, [](struct ev_loop* turning, ev_check* check, int) {
    static_cast<LoopLag*>(check->data)->begun_ = ev_now(turning);
  });
  ev_prepare_init(&turn_end_, [](struct ev_loop*, ev_prepare* prepare, int) {
    static_cast<LoopLag*>(prepare->data)->OnTurnEnd();
  });
  turn_begin_.data = turn_end_.data = this;
  ev_set_priority(&turn_begin_, EV_MAXPRI);
  ev_set_priority(&turn_end_, EV_MINPRI);  // behind what others do at the end of a turn
  ev_check_start(loop, &turn_begin_);
  ev_prepare_start(loop, &turn_end_);
  // They are no reason for the loop to go on.
  ev_unref(loop);
  ev_unref(loop);
}

LoopLag::~LoopLag() {
  ev_ref(loop_);
  ev_ref(loop_);
  ev_check_stop(loop_, &turn_begin_);
  ev_prepare_stop(loop_, &turn_end_);
}

void LoopLag::OnTurnEnd() {
  if (begun_ == 0) return;
  const double now = ev_time();
  const double took = std::max(now - begun_, 0.0);  // somebody may set the clock
  ++untold_[static_cast<size_t>(std::ranges::lower_bound(kBuckets, took) - kBuckets.begin())];
  untold_sum_ += took;
  if (took < kLongS && now - told_ >= 0 && now - told_ < kTellEachS) return;
  told_ = now;
  histogram_->ObserveMultiple(untold_, untold_sum_);
  std::ranges::fill(untold_, 0.0);
  untold_sum_ = 0;
}

}  // namespace dormouse
