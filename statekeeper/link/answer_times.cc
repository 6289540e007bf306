#include "statekeeper/link/answer_times.h"

#include <map>
#include <utility>

#include "common/clock.h"
#include "proto/packed.h"

namespace dormouse {

AnswerTimes::AnswerTimes(struct ev_loop* loop, GatewayTable* gateways) : loop_(loop), gateways_(gateways) {
  ev_timer_init(
      &timer_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<AnswerTimes*>(timer->data)->OnTimer(); }, 0,
      kPatienceMs / 1e3);
  timer_.data = this;
}

AnswerTimes::~AnswerTimes() { ev_timer_stop(loop_, &timer_); }

void AnswerTimes::Ask(const std::vector<ConnectionId>& connections, const ShardEpoch& shard,
                      const GatewayLinks::Answered& done) {
  std::map<GatewayId, std::vector<size_t>> places;
  for (size_t i = 0; i < connections.size(); ++i) places[connections[i].gateway].push_back(i);
  auto question = std::make_shared<Question>();
  question->at_ms.resize(connections.size());
  question->done = done;
  question->open = 1;  // this call
  for (auto& [id, which] : places) {
    GatewaySession* const gateway = gateways_->Find(id);
    if (gateway == nullptr || !gateway->linked()) continue;
    std::vector<Recipient> recipients;
    recipients.reserve(which.size());
    for (const size_t place : which) recipients.push_back({connections[place].handle, {}});
    const std::string payload = QuestionNumber(++numbers_);
    const uint64_t batch = gateway->Deliver({.kind = DeliveryKind::kAskAnswerTimes,
                                             .shard = shard.shard,
                                             .epoch = shard.epoch,
                                             .cause = {},
                                             .recipients = recipients,
                                             .payload = payload});
    ++question->open;
    if (parts_.empty()) ev_timer_again(loop_, &timer_);
    parts_.push_back({.gateway = id,
                      .number = numbers_,
                      .batch = batch,
                      .end_ms = SteadyMs() + kPatienceMs,
                      .places = std::move(which),
                      .question = question});
  }
  Close(question);
}

void AnswerTimes::OnAnswer(GatewayId gateway, const link::AnswerTimes& times) {
  End([&](const Part& part) {
    if (part.gateway != gateway || part.number != times.number()) return false;
    if (times.at_ms_size() != static_cast<int>(part.places.size())) return true;
    for (int i = 0; i < times.at_ms_size(); ++i) {
      part.question->at_ms[part.places[static_cast<size_t>(i)]] = times.at_ms(i);
    }
    return true;
  });
}

void AnswerTimes::OnAcknowledged(const GatewaySession& gateway) {
  if (parts_.empty()) return;
  End([&](const Part& part) { return part.gateway == gateway.id() && part.batch <= gateway.acknowledged(); });
}

void AnswerTimes::OnLost(GatewayId gateway) {
  End([&](const Part& part) { return part.gateway == gateway; });
}

void AnswerTimes::OnTimer() {
  const int64_t now = SteadyMs();
  End([&](const Part& part) { return part.end_ms <= now; });
  if (parts_.empty()) ev_timer_stop(loop_, &timer_);
}

// Whoever is answered may ask more.
template <typename Ended>
void AnswerTimes::End(const Ended& ended) {
  std::vector<std::shared_ptr<Question>> questions;
  std::erase_if(parts_, [&](const Part& part) {
    if (!ended(part)) return false;
    questions.push_back(part.question);
    return true;
  });
  for (const auto& question : questions) Close(question);
}

void AnswerTimes::Close(const std::shared_ptr<Question>& question) {
  if (--question->open == 0) question->done(std::move(question->at_ms));
}

}  // namespace dormouse
