// Answers to requests with an idempotency key (api.proto), kept with the hub's state: the answer is written by the commit
// that the request's effects are part of, so whoever finds it knows that they happened, whatever has died since.
//
// Of one hub kMost answers, and kMostBytes of them, are kept, for kWindowMs each; beyond that the oldest go, a few with
// each new one. An answer of more than kLargest is kept as a note that it was given.
//
// Within one handler; on a fiber, for it reads rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/stored.pb.h"
#include "statekeeper/runtime/hub/hub_state.h"

namespace dormouse {

class KeptAnswers {
 public:
  static constexpr uint64_t kMost = 1'000;
  static constexpr uint64_t kMostBytes = 1u << 20;
  static constexpr size_t kLargest = 64u << 10;
  static constexpr int64_t kWindowMs = int64_t{24} * 3'600'000;
  static constexpr size_t kMaxKey = 128;

  explicit KeptAnswers(HubState* state) : state_(state) {}

  // 1 to kMaxKey printable characters of ASCII.
  static bool IsValidKey(std::string_view key);
  // Says of a request that it is the same one.
  static uint64_t HashOf(std::string_view request);

  std::optional<stored::KeptAnswer> Find(const std::string& key, int64_t now_ms);
  // The key has none.
  void Keep(const std::string& key, uint64_t request, const std::string& answer, int64_t now_ms);

 private:
  void RemoveOldest(stored::KeptAnswers* all);

  HubState* const state_;
};

}  // namespace dormouse
