#include "clients/load/check/client.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include "common/json/json_writer.h"

namespace dormouse::load::check {
namespace {

// Between attempts: 100 ms, 200 ms, 400 ms ... as all our clients have it, but not beyond 5 s: somebody waits
// for the end of the run.
constexpr Micros kFirstDelay = 100'000;
constexpr int kDoublings = 6;
constexpr Micros kLongestDelay = 5'000'000;
// As long as may be: whoever sleeps need not renew.
constexpr int64_t kTtlSeconds = 3600;
constexpr int64_t kPage = 100;

std::string Topic(uint32_t topic) { return JsonWriter().String("topic", TopicName(topic)).Finish(); }

}  // namespace

Client::Client(Stage* stage, ClientId id, uint32_t topic)
    : stage_(stage),
      id_(id),
      topic_(topic),
      // The clients of one hub are spread over all gateways.
      gateway_(id / stage->history->hubs() % stage->gateways.size()) {}

void Client::Begin() {
  state_ = State::kOpening;
  const std::string path = stage_->hub_path + std::to_string(hub());
  stage_->sockets->Open(id_, stage_->gateways[gateway_], Upgrade{.path = path});
}

void Client::OnOpen() {
  state_ = State::kConnecting;
  TakeStep();
}

void Client::TakeStep() {
  if (state_ == State::kConnecting) {
    JsonWriter payload;
    payload.String("version", "1.0");
    if (!resume_token_.empty()) {
      payload.String("resumeToken", resume_token_);
      payload.String("lastMessageId", last_message_);  // empty: it has got none
    }
    Ask(Kind::kConnect, payload.Finish());
  } else if (state_ == State::kRegistering) {
    Update();
  } else if (state_ == State::kSubscribing) {
    Subscribe(topic_);
  }
}

void Client::OnEnd(bool was_open, const WebSocket::End& end) {
  if (was_open) {
    stage_->history->Add(
        stage_->now, Closed{.client = id_, .code = end.code, .words = stage_->history->Words(end.reason)});
  }
  // What an unanswered update did is not known.
  if (IsPending({Kind::kRegister, Kind::kRenew})) renewal_token_.clear();
  pending_.clear();
  if (was_up_ && stage_->on_close == OnClose::kNone) {
    state_ = State::kGone;
    return;
  }
  if (stage_->on_close == OnClose::kRegister) resume_token_.clear();
  state_ = State::kAway;
  gateway_ = (gateway_ + 1) % stage_->gateways.size();
  TryLater();
}

void Client::TryLater() {
  const Micros delay = std::min(kFirstDelay << std::min(failures_++, kDoublings), kLongestDelay);
  const auto jitter = static_cast<Micros>(stage_->Random(static_cast<uint64_t>(delay) / 2));
  stage_->timers.emplace(stage_->now + delay - delay / 4 + jitter, id_);
}

void Client::OnTime() {
  if (state_ == State::kAway) {
    Begin();
  } else if (pending_.empty()) {
    TakeStep();
  }
}

std::optional<Client::Answer> Client::OnReply(const Reply& reply) {
  History& history = *stage_->history;
  if (reply.is_message) {
    last_message_ = reply.id;
    history.Add(stage_->now, Arrived{.operation = reply.operation,
                                     .frame = std::hash<std::string>()(reply.id),
                                     .client = id_,
                                     .addressed = reply.addressed});
    return std::nullopt;
  }
  if (!reply.is_answer) return std::nullopt;
  const auto asked = std::ranges::find(pending_, reply.operation, &Pending::operation);
  const double version = JsonNumber(reply.payload.Find("version")).value_or(0);
  history.Add(stage_->now, Answered{.operation = reply.operation,
                                    .client = id_,
                                    .version = static_cast<uint32_t>(version),
                                    .words = reply.error.empty() ? 0 : history.Words(reply.error),
                                    .outcome = reply.outcome});
  if (asked == pending_.end()) return std::nullopt;
  const Pending pending = *asked;
  pending_.erase(asked);
  OnAnswer(pending, reply);
  return Answer{pending, reply};
}

void Client::OnAnswer(const Pending& asked, const Reply& reply) {
  const bool acknowledged = reply.outcome == Outcome::kAcknowledged;
  if (asked.kind == Kind::kRegister || asked.kind == Kind::kRenew) {
    renewal_token_ = JsonString(reply.payload.Find("renewalToken")).value_or("");
  }
  if (is_up()) {
    if (!acknowledged) return;
    if (asked.kind == Kind::kSubscribe) topics_.insert(asked.topic);
    if (asked.kind == Kind::kUnsubscribe) topics_.erase(asked.topic);
    return;
  }
  if (!acknowledged) {
    TryLater();
  } else if (state_ == State::kConnecting && asked.kind == Kind::kConnect) {
    OnConnected(reply.payload);
  } else if (state_ == State::kRegistering && asked.kind == Kind::kRegister) {
    state_ = State::kSubscribing;
    TakeStep();
  } else if (state_ == State::kSubscribing && asked.kind == Kind::kSubscribe) {
    state_ = State::kUp;
    was_up_ = true;
    failures_ = 0;
  }
}

void Client::OnConnected(const JsonObject& payload) {
  resume_token_ = JsonString(payload.Find("resumeToken")).value_or("");
  const bool resumed = payload.Find("resumed") == "true";
  const double missed = JsonNumber(payload.Find("missed")).value_or(0);
  stage_->history->Add(stage_->now,
                       Session{.client = id_, .missed = static_cast<uint32_t>(missed), .resumed = resumed});
  if (resumed && was_up_) {
    state_ = State::kUp;
    failures_ = 0;
    return;
  }
  topics_.clear();
  state_ = State::kRegistering;
  TakeStep();
}

OperationId Client::NewOperation(Kind kind, ClientId target, uint32_t topic) {
  const OperationId operation = stage_->history->NextOperation();
  stage_->history->Add(
      stage_->now,
      Sent{.operation = operation, .client = id_, .target = target, .topic = topic, .kind = kind});
  if (kind != Kind::kTell) pending_.push_back({operation, kind, topic});
  return operation;
}

void Client::Put(OperationId operation, Kind kind, const std::string& payload) const {
  stage_->sockets->Send(id_, Request(operation, id_, kind, payload));
}

void Client::Ask(Kind kind, const std::string& payload, uint32_t topic) {
  Put(NewOperation(kind, kNobody, topic), kind, payload);
}

bool Client::IsPending(std::initializer_list<Kind> kinds) const {
  return std::ranges::any_of(pending_, [&](const Pending& pending) {
    return std::ranges::find(kinds, pending.kind) != kinds.end();
  });
}

void Client::Send(ClientId target) {
  const OperationId operation = NewOperation(Kind::kSend, target);
  Put(operation, Kind::kSend, MessagePayload(operation, "to", JsonQuoted(AddressOf(target))));
}

void Client::Tell(ClientId target) {
  const OperationId operation = NewOperation(Kind::kTell, target);
  Put(operation, Kind::kTell, MessagePayload(operation, "to", JsonQuoted(AddressOf(target))));
}

void Client::Publish(uint32_t topic) {
  const OperationId operation = NewOperation(Kind::kPublish, kNobody, topic);
  Put(operation, Kind::kPublish, MessagePayload(operation, "topic", JsonQuoted(TopicName(topic))));
}

void Client::Broadcast() {
  const OperationId operation = NewOperation(Kind::kBroadcast);
  Put(operation, Kind::kBroadcast, MessagePayload(operation, "excludeSelf", "true"));
}

void Client::List(size_t offset) {
  Ask(Kind::kList, JsonWriter().Int("offset", static_cast<int64_t>(offset)).Int("limit", kPage).Finish());
}

void Client::Discover() {
  Ask(Kind::kDiscover, JsonWriter().String("pattern", AddressOf(id_)).Int("limit", 10).Finish());
}

void Client::Heartbeat() { Ask(Kind::kHeartbeat, "{}"); }

void Client::Update() {
  if (IsPending({Kind::kRegister, Kind::kRenew})) return;
  Ask(Kind::kRegister, JsonWriter()
                           .String("actorAddress", AddressOf(id_))
                           .Raw("capabilities", R"(["load"])")
                           .Int("ttlSeconds", kTtlSeconds)
                           .Finish());
}

void Client::Renew() {
  if (renewal_token_.empty()) return Update();
  if (IsPending({Kind::kRegister, Kind::kRenew})) return;
  Ask(Kind::kRenew, JsonWriter()
                        .String("actorAddress", AddressOf(id_))
                        .String("renewalToken", renewal_token_)
                        .Int("ttl", kTtlSeconds * 1000)
                        .Finish());
}

void Client::ToggleTopic(uint32_t topic) {
  if (IsPending({Kind::kSubscribe, Kind::kUnsubscribe})) return;
  if (topics_.contains(topic)) {
    Ask(Kind::kUnsubscribe, Topic(topic), topic);
  } else {
    Subscribe(topic);
  }
}

void Client::Subscribe(uint32_t topic) { Ask(Kind::kSubscribe, Topic(topic), topic); }

}  // namespace dormouse::load::check
