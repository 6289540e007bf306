#include "statekeeper/link/gateway_table.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/clock.h"

namespace dormouse {

GatewayTable::GatewayTable(Duration grace, const GatewaySession::Lane& lane)
    : grace_ms_(grace.count()), lane_(lane), start_ms_(SteadyMs()) {}

GatewaySession* GatewayTable::FindPresent(GatewayId id) {
  GatewaySession* const session = Find(id);
  if (session != nullptr || !IsPresent(id)) return session;
  return Add(id);
}

bool GatewayTable::IsPresent(GatewayId id) const {
  if (sessions_.contains(id)) return true;
  return SteadyMs() - start_ms_ < grace_ms_ && !WasGivenUp(id);
}

GatewaySession* GatewayTable::Add(GatewayId id) {
  auto& session = sessions_[id];
  session = std::make_unique<GatewaySession>(id, start_ms_, lane_);
  return session.get();
}

std::unique_ptr<GatewaySession> GatewayTable::Remove(GatewayId id) {
  auto session = std::move(sessions_.extract(id).mapped());
  Readmit(id);
  given_up_.push_back(id);
  if (given_up_.size() > kMaxGateways) given_up_.pop_front();
  return session;
}

std::vector<GatewayId> GatewayTable::Overdue(int64_t now_ms) const {
  std::vector<GatewayId> overdue;
  ForEach([&](const GatewaySession* session) {
    if (!session->linked() && now_ms - session->unlinked_ms() >= grace_ms_) overdue.push_back(session->id());
  });
  return overdue;
}

int64_t GatewayTable::NextOverdueMs(int64_t now_ms) const {
  int64_t next = std::numeric_limits<int64_t>::max();
  if (now_ms < start_ms_ + grace_ms_) next = start_ms_ + grace_ms_;  // of those that were never seen
  ForEach([&](const GatewaySession* session) {
    if (!session->linked()) next = std::min(next, session->unlinked_ms() + grace_ms_);
  });
  return next;
}

}  // namespace dormouse
