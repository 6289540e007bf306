#include "gateway/edge/socket_drain.h"

#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse::edge {

SocketDrain::SocketDrain(struct ev_loop* loop, LoopTimers* timers, ConnectionTable* table,
                         int64_t settle_timeout_ms)
    : loop_(loop),
      timers_(timers),
      table_(table),
      settle_timeout_ms_(settle_timeout_ms),
      random_(std::random_device()()) {
  ev_timer_init(
      &settle_timer_,
      [](struct ev_loop*, ev_timer* timer, int) {
        auto* self = static_cast<SocketDrain*>(timer->data);
        SPDLOG_WARN("stopping although {} events are not settled; their hubs will miss these closes",
                    self->unsettled_);
        self->Finish();
      },
      0, 0);
  settle_timer_.data = this;
}

SocketDrain::~SocketDrain() { ev_timer_stop(loop_, &settle_timer_); }

void SocketDrain::Start(int64_t window_ms, std::function<void()> done) {
  if (std::exchange(started_, true)) window_ms = 0;
  done_ = std::move(done);
  SPDLOG_INFO("stopping: closing {} sockets within {}ms", table_->size(), window_ms);
  const int64_t now = SteadyMs();
  std::uniform_int_distribution<int64_t> delay(0, window_ms);
  table_->ForEach([&](Connection* connection) {
    connection->draining = true;
    if (!connection->closing) timers_->Schedule(connection, now + delay(random_));
  });
}

void SocketDrain::OnTurnEnd(size_t unsettled) {
  unsettled_ = unsettled;
  if (done_ == nullptr || table_->size() != 0) return;
  if (unsettled == 0) return Finish();
  if (ev_is_active(&settle_timer_)) return;
  ev_timer_set(&settle_timer_, static_cast<double>(settle_timeout_ms_) / 1000, 0);
  ev_timer_start(loop_, &settle_timer_);
}

void SocketDrain::Finish() {
  ev_timer_stop(loop_, &settle_timer_);
  std::exchange(done_, nullptr)();
}

}  // namespace dormouse::edge
