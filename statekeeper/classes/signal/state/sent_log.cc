#include "statekeeper/classes/signal/state/sent_log.h"

#include <utility>

namespace dormouse::signal {

void SentLog::Record(int64_t now_ms, std::string id, std::vector<Context::HeadedRecipient> recipients,
                     std::string tail) {
  size_t bytes = sizeof(Entry) + id.size() + tail.size();
  for (const auto& recipient : recipients) bytes += sizeof(recipient) + recipient.head.size();
  if (bytes > kMaxBytes) return;
  bytes_ += bytes;
  entries_.push_back({now_ms, bytes, std::move(id), std::move(recipients), std::move(tail)});
  while (bytes_ > kMaxBytes || entries_.front().sent_ms + kMaxAgeMs < now_ms) {
    bytes_ -= entries_.front().bytes;
    entries_.pop_front();
  }
}

void SentLog::ForEachAfter(std::string_view id, const ConnectionId& connection, int64_t now_ms,
                           const Visit& visit) const {
  for (const Entry& entry : entries_) {
    if (entry.id <= id || entry.sent_ms + kMaxAgeMs < now_ms) continue;
    for (const auto& recipient : entry.recipients) {
      if (recipient.to == connection) visit(recipient.head + entry.tail);
    }
  }
}

uint64_t SentLog::CountBetween(std::string_view id, std::string_view before, const ConnectionId& connection,
                               int64_t now_ms) const {
  uint64_t count = 0;
  for (const Entry& entry : entries_) {
    if (entry.id <= id || entry.sent_ms + kMaxAgeMs < now_ms) continue;
    if (!before.empty() && entry.id >= before) continue;
    for (const auto& recipient : entry.recipients) count += recipient.to == connection ? 1 : 0;
  }
  return count;
}

}  // namespace dormouse::signal
