// The messages between actors that were sent a moment ago, for clients whose socket was lost with messages in
// it: one that says which message it got last gets those after it again.
//
// A help, not a promise: it holds at most a megabyte and a minute, and is gone when the hub sleeps. A message
// costs it one entry, however many got it; nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

class SentLog {
 public:
  static constexpr size_t kMaxBytes = 1u << 20;
  static constexpr int64_t kMaxAgeMs = 60'000;

  // Each recipient's frame is its head followed by `tail`. What is larger than the log is not recorded. Ids ascend.
  void Record(int64_t now_ms, std::string id, std::vector<Context::HeadedRecipient> recipients,
              std::string tail);
  // Of one that was sent before, and is sent again.
  void RecordAgain(int64_t now_ms, std::string id, const ConnectionId& to, std::string frame);

  // What went to `connection` and has a higher id, in no order. Takes a look at everything.
  using Visit = std::function<void(const std::string& frame)>;
  void ForEachAfter(std::string_view id, const ConnectionId& connection, int64_t now_ms,
                    const Visit& visit) const;
  // Whether all is there that was sent after the message with this id.
  bool Covers(std::string_view id, int64_t now_ms) const;
  // How many of them have a lower id than `before`; empty: all.
  uint64_t CountBetween(std::string_view id, std::string_view before, const ConnectionId& connection,
                        int64_t now_ms) const;

 private:
  struct Entry {
    int64_t sent_ms;
    size_t bytes;
    std::string id;
    std::vector<Context::HeadedRecipient> recipients;
    std::string tail;
    bool again = false;
  };

  void Add(Entry entry, int64_t now_ms);

  std::deque<Entry> entries_;  // by time
  std::string covers_after_;   // an id: all that was sent after that is here; empty: nothing was
  size_t bytes_ = 0;
};

}  // namespace dormouse::signal
