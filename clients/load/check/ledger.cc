#include "clients/load/check/ledger.h"

#include <algorithm>

namespace dormouse::load::check {
namespace {

// What the hub sent that long before a socket was lost may have been on its way still.
constexpr Micros kInFlight = 5'000'000;

// What is known of a client at some point of the history.
struct ClientState {
  struct Topic {
    Micros certain_from = kNever;
    Micros possible_from = kNever;
  };
  Micros present_from = kNever;
  Micros closed_at = kNever;
  uint32_t life = 1;
  std::map<uint32_t, Topic> topics;
};

// Goes through a history from its begin to its end.
class Reader {
 public:
  explicit Reader(Ledger* ledger) : ledger_(*ledger), states_(ledger->clients.size()) {}

  void Read() {
    for (const Record& record : ledger_.history.records()) {
      at_ = record.at;
      std::visit([this](const auto& what) { On(what); }, record.what);
    }
    for (ClientId client = 0; client < states_.size(); ++client) {
      ClientState& state = states_[client];
      ledger_.clients[client].away = state.closed_at != kNever || state.present_from == kNever;
      EndSession(client, state.closed_at == kNever ? kForever : state.closed_at);
      for (const auto& [topic, times] : state.topics) EndPossible(client, topic, kForever);
    }
  }

 private:
  void On(const Sent& sent) {
    OperationEntry& entry = ledger_.operations[sent.operation];
    ClientState& state = states_[sent.client];
    entry.sent = sent;
    entry.sent_at = at_;
    entry.life = state.life;
    if (sent.kind == Kind::kSubscribe) {
      Micros& from = state.topics[sent.topic].possible_from;
      if (from == kNever) from = at_;
    }
    if (sent.kind == Kind::kUnsubscribe) EndCertain(sent.client, sent.topic, at_);
  }

  void On(const Answered& answered) {
    const bool known = answered.operation != 0 && answered.operation < ledger_.operations.size();
    OperationEntry& entry = ledger_.operations[known ? answered.operation : 0];
    if (!known || entry.answered() || entry.sent.client != answered.client) {
      ledger_.more_answers.emplace_back(at_, answered);
      return;
    }
    entry.answered_at = at_;
    entry.answer = answered;
    ClientState& state = states_[answered.client];
    if (!entry.acknowledged() || entry.life != state.life) return;
    if (entry.sent.kind == Kind::kRegister && state.present_from == kNever) state.present_from = at_;
    if (entry.sent.kind == Kind::kSubscribe) {
      Micros& from = state.topics[entry.sent.topic].certain_from;
      if (from == kNever) from = at_;
    }
    if (entry.sent.kind == Kind::kUnsubscribe) EndPossible(answered.client, entry.sent.topic, at_);
  }

  void On(const Session& session) {
    ClientState& state = states_[session.client];
    ClientEntry& entry = ledger_.clients[session.client];
    if (!session.resumed) EndSession(session.client, state.closed_at == kNever ? at_ : state.closed_at);
    state.closed_at = kNever;
    entry.missed += session.missed;
    entry.sessions.push_back(session);
    entry.sessions_at.push_back(at_);
  }

  void On(const Closed& closed) {
    ClientState& state = states_[closed.client];
    ledger_.clients[closed.client].closes.emplace_back(at_, closed);
    // A socket may be lost before its session is resumed: the time of the first loss counts.
    if (state.closed_at == kNever) state.closed_at = at_;
    ++state.life;
  }

  void On(const Arrived&) {}
  void On(const Marked&) {}
  void On(const Found&) {}

  // A session whose socket was lost at `lost`. Its subscriptions may follow the client's address to the next
  // one.
  void EndSession(ClientId client, Micros lost) {
    ClientState& state = states_[client];
    if (state.present_from != kNever) ledger_.clients[client].present.push_back({state.present_from, lost});
    state.present_from = kNever;
    for (const auto& [topic, times] : state.topics) EndCertain(client, topic, lost);
  }
  void EndCertain(ClientId client, uint32_t topic, Micros at) {
    Micros& from = states_[client].topics[topic].certain_from;
    if (from != kNever) ledger_.clients[client].subscriptions[topic].certain.push_back({from, at});
    from = kNever;
  }
  void EndPossible(ClientId client, uint32_t topic, Micros at) {
    Micros& from = states_[client].topics[topic].possible_from;
    if (from != kNever) ledger_.clients[client].subscriptions[topic].possible.push_back({from, at});
    from = kNever;
  }

  Ledger& ledger_;
  std::vector<ClientState> states_;
  Micros at_ = 0;
};

}  // namespace

bool ClientEntry::IsPresent(Micros from, Micros to) const {
  return std::ranges::any_of(present, [&](const Interval& interval) {
    return interval.from <= from && (interval.to == kForever || interval.to - kInFlight >= to);
  });
}

Ledger::Ledger(const History& read)
    : history(read), operations(read.operations() + 1), clients(read.clients()) {
  Reader(this).Read();
}

}  // namespace dormouse::load::check
