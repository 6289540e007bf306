// When gateways last answered frames on hubs' connections by themselves (SetAutoResponse). Whoever asks is waiting
// where it stands, so there is an answer soon, whatever becomes of a gateway: within a quarter of a second, 0 where
// none has come.
//
// A question to a gateway is a delivery like others, so that it arrives though the stream breaks, and is passed over
// by gateways of an earlier version; that it was acknowledged without an answer says that there is none.
//
// Threading: the lane's.
#pragma once

#include <ev.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "common/ids.h"
#include "common/shard.h"
#include "proto/link.pb.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/link/gateway_table.h"

namespace dormouse {

class AnswerTimes {
 public:
  static constexpr int64_t kPatienceMs = 250;

  // Both outlive it.
  AnswerTimes(struct ev_loop* loop, GatewayTable* gateways);
  ~AnswerTimes();
  AnswerTimes(const AnswerTimes&) = delete;
  AnswerTimes& operator=(const AnswerTimes&) = delete;

  // As GatewayLinks'.
  void Ask(const std::vector<ConnectionId>& connections, const ShardEpoch& shard,
           const GatewayLinks::Answered& done);

  // Before what the same message acknowledges.
  void OnAnswer(GatewayId gateway, const link::AnswerTimes& times);
  void OnAcknowledged(const GatewaySession& gateway);
  // It has no stream any more.
  void OnLost(GatewayId gateway);

 private:
  struct Question {
    std::vector<int64_t> at_ms;
    size_t open = 0;  // parts
    GatewayLinks::Answered done;
  };
  // Of a question: what one gateway was asked.
  struct Part {
    GatewayId gateway = 0;
    uint64_t number = 0;
    uint64_t batch = 0;  // in which it was asked
    int64_t end_ms = 0;  // steady clock
    std::vector<size_t> places;
    std::shared_ptr<Question> question;
  };

  template <typename Ended>
  void End(const Ended& ended);
  void OnTimer();
  static void Close(const std::shared_ptr<Question>& question);

  struct ev_loop* const loop_;
  GatewayTable* const gateways_;
  ev_timer timer_;
  uint64_t numbers_ = 0;
  std::deque<Part> parts_;  // in the order of their ends
};

}  // namespace dormouse
