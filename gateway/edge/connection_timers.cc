#include "gateway/edge/connection_timers.h"

#include <algorithm>

#include "common/clock.h"
#include "gateway/edge/rules/edge_rules.h"
#include "gateway/edge/sockets/admission_timeout.h"
#include "gateway/edge/sockets/idle_timeout.h"

namespace dormouse::edge {

void ConnectionTimers::Start(Connection* connection) {
  const EdgeRules& rules = connection->hub_class->rules();
  const int64_t opened = connection->last_seen_ms;
  int64_t look = Deadline::kNever;
  if (rules.idle_timeout_ms != 0) look = opened + static_cast<int64_t>(rules.idle_timeout_ms);
  StartAdmission(connection, opened);
  if (connection->admission_deadline_ms != 0) look = std::min(look, connection->admission_deadline_ms);
  if (look != Deadline::kNever && !connection->closing) wheel_->Schedule(connection, look);
}

void ConnectionTimers::OnTimer(Connection* connection) {
  if (connection->closing) {
    closing_->OnTimeout(connection);
  } else if (!connection->draining) {
    CheckDeadlines(connection);
  } else if (closing_->MayClose(connection)) {
    closing_->Close(connection, CloseCause::kGoingAway, 1001, "Going Away");
  } else {
    wheel_->Schedule(connection, SteadyMs() + ClosingHandshake::kConfirmationMs);
  }
}

void ConnectionTimers::CheckDeadlines(Connection* connection) {
  const EdgeRules& rules = connection->hub_class->rules();
  const int64_t now = SteadyMs();
  const Deadline admission = CheckAdmission(connection, now);
  if (admission.expired) {
    return closing_->Close(connection, CloseCause::kNotAdmitted, rules.admission_close_code,
                           rules.admission_close_reason);
  }
  Deadline idle = CheckIdleTimeout(connection, now);
  if (idle.expired) {
    if (closing_->MayClose(connection)) {
      return closing_->Close(connection, CloseCause::kIdle, rules.idle_close_code, rules.idle_close_reason);
    }
    idle.next_ms = now + ClosingHandshake::kConfirmationMs;
  }
  const int64_t look = std::min(admission.next_ms, idle.next_ms);
  if (look != Deadline::kNever) wheel_->Schedule(connection, look);
}

}  // namespace dormouse::edge
