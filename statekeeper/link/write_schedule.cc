#include "statekeeper/link/write_schedule.h"

#include <utility>

namespace dormouse {
namespace {

constexpr double kNotesS = 0.005;

}  // namespace

WriteSchedule::WriteSchedule(struct ev_loop* loop, std::function<void()> notes_due)
    : loop_(loop), notes_due_(std::move(notes_due)) {
  ev_timer_init(
      &notes_timer_,
      [](struct ev_loop* on, ev_timer* timer, int) {
        ev_timer_stop(on, timer);
        static_cast<WriteSchedule*>(timer->data)->notes_due_();
      },
      0, kNotesS);
  notes_timer_.data = this;
}

}  // namespace dormouse
