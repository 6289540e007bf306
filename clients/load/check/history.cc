#include "clients/load/check/history.h"

#include <ostream>

#include "common/json/json_writer.h"

namespace dormouse::load::check {
namespace {

// One line for each kind of record.
class LineWriter {
 public:
  LineWriter(const History& history, Micros at) : history_(history) { line_.Int("us", at); }

  std::string operator()(const Sent& sent) {
    Begin("sent", sent.client).Int("op", Number(sent.operation)).String("kind", NameOf(sent.kind));
    if (sent.target != kNobody) line_.Int("target", sent.target);
    const bool topical =
        sent.kind == Kind::kSubscribe || sent.kind == Kind::kUnsubscribe || sent.kind == Kind::kPublish;
    if (topical) line_.Int("topic", sent.topic);
    return line_.Finish();
  }
  std::string operator()(const Answered& answered) {
    Begin("answered", answered.client)
        .Int("op", Number(answered.operation))
        .String("outcome", NameOf(answered.outcome));
    if (answered.version != 0) line_.Int("version", answered.version);
    if (answered.words != 0) line_.String("error", history_.words(answered.words));
    return line_.Finish();
  }
  std::string operator()(const Arrived& arrived) {
    Begin("arrived", arrived.client).Int("op", Number(arrived.operation));
    if (arrived.addressed != arrived.client) line_.Int("addressed", arrived.addressed);
    return line_.String("frame", std::to_string(arrived.frame)).Finish();
  }
  std::string operator()(const Session& session) {
    return Begin("session", session.client)
        .Bool("resumed", session.resumed)
        .Int("missed", session.missed)
        .Finish();
  }
  std::string operator()(const Closed& closed) {
    return Begin("closed", closed.client)
        .Int("code", closed.code)
        .String("reason", history_.words(closed.words))
        .Finish();
  }
  std::string operator()(const Marked& marked) {
    return line_.String("what", "mark").String("name", history_.words(marked.words)).Finish();
  }
  std::string operator()(const Found& found) {
    return Begin("found", found.client).Int("version", found.version).Finish();
  }

 private:
  static int64_t Number(OperationId operation) { return static_cast<int64_t>(operation); }
  JsonWriter& Begin(std::string_view what, ClientId client) {
    return line_.String("what", what).Int("client", client).Int("hub", history_.HubOf(client));
  }

  const History& history_;
  JsonWriter line_;
};

}  // namespace

std::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kConnect:
      return "connect";
    case Kind::kRegister:
      return "register";
    case Kind::kRenew:
      return "renew";
    case Kind::kSubscribe:
      return "subscribe";
    case Kind::kUnsubscribe:
      return "unsubscribe";
    case Kind::kSend:
      return "send";
    case Kind::kTell:
      return "tell";
    case Kind::kPublish:
      return "publish";
    case Kind::kBroadcast:
      return "broadcast";
    case Kind::kList:
      return "list";
    case Kind::kDiscover:
      return "discover";
    case Kind::kHeartbeat:
      return "heartbeat";
  }
  return {};
}

std::string_view NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAcknowledged:
      return "acknowledged";
    case Outcome::kRetryable:
      return "retryable";
    case Outcome::kUnknownActor:
      return "unknown_actor";
    case Outcome::kRefused:
      return "refused";
  }
  return {};
}

uint32_t History::Words(const std::string& text) {
  const auto [known, added] = numbers_.try_emplace(text, static_cast<uint32_t>(words_.size()));
  if (added) words_.push_back(text);
  return known->second;
}

void History::Write(std::ostream& out) const {
  for (const Record& record : records_) {
    LineWriter line(*this, record.at);
    out << std::visit([&](const auto& what) { return line(what); }, record.what) << '\n';
  }
}

}  // namespace dormouse::load::check
