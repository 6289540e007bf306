#include "statekeeper/classes/signal/state/sent_log.h"

#include <algorithm>
#include <utility>

namespace dormouse::signal {

void SentLog::Record(int64_t now_ms, std::string id, std::vector<Context::HeadedRecipient> recipients,
                     std::string tail) {
  if (covers_after_.empty()) covers_after_ = id;
  Add({now_ms, 0, std::move(id), std::move(recipients), std::move(tail)}, now_ms);
}

void SentLog::RecordAgain(int64_t now_ms, std::string id, const ConnectionId& to, std::string frame) {
  Add({now_ms, 0, std::move(id), {{to, std::move(frame)}}, "", /*again=*/true}, now_ms);
}

void SentLog::Add(Entry entry, int64_t now_ms) {
  entry.bytes = sizeof(Entry) + entry.id.size() + entry.tail.size();
  for (const auto& recipient : entry.recipients) entry.bytes += sizeof(recipient) + recipient.head.size();
  if (entry.bytes > kMaxBytes) {
    if (!entry.again) covers_after_ = std::move(entry.id);
    return;
  }
  bytes_ += entry.bytes;
  entries_.push_back(std::move(entry));
  while (bytes_ > kMaxBytes || entries_.front().sent_ms + kMaxAgeMs < now_ms) {
    const Entry& oldest = entries_.front();
    bytes_ -= oldest.bytes;
    if (!oldest.again) covers_after_ = std::max(covers_after_, oldest.id);
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

bool SentLog::Covers(std::string_view id, int64_t now_ms) const {
  if (covers_after_.empty() || covers_after_ > id) return false;
  return std::ranges::none_of(entries_, [&](const Entry& entry) {
    return !entry.again && entry.id > id && entry.sent_ms + kMaxAgeMs < now_ms;
  });
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
