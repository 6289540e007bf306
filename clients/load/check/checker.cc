#include "clients/load/check/checker.h"

#include <algorithm>
#include <cstdio>
#include <unordered_map>

namespace dormouse::load::check {
namespace {

constexpr size_t kWords = 50;

std::string Seconds(Micros at) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f s", static_cast<double>(at) / 1e6);
  return text;
}

bool Overlaps(const std::vector<Interval>& intervals, Micros from, Micros to) {
  return std::ranges::any_of(
      intervals, [&](const Interval& interval) { return interval.from <= to && interval.to >= from; });
}

bool Covers(const std::vector<Interval>& intervals, Micros from, Micros to) {
  return std::ranges::any_of(
      intervals, [&](const Interval& interval) { return interval.from <= from && interval.to >= to; });
}

struct Arrival {
  Arrived what;
  Micros at;
};

class Checker {
 public:
  Checker(const Ledger& ledger, const Rules& rules)
      : ledger_(ledger), history_(ledger.history), rules_(rules), arrivals_(ledger.operations.size()) {}

  Verdict Run() {
    CheckArrivals();
    CheckAnswers();
    CheckTells();
    CheckMessages();
    CheckSessions();
    CheckRegistrations();
    return std::move(verdict_);
  }

 private:
  // In the order in which they came: duplicates, order, and whom they were for.
  void CheckArrivals() {
    // By receiver and by sender and its socket: the last that came first.
    std::unordered_map<uint64_t, std::unordered_map<uint64_t, OperationId>> last;
    for (const Record& record : history_.records()) {
      const auto* arrived = std::get_if<Arrived>(&record.what);
      if (arrived == nullptr) continue;
      const Arrival arrival{*arrived, record.at};
      const OperationEntry* entry = ledger_.Find(arrived->operation);
      if (entry == nullptr || !entry->carries_message()) {
        ++verdict_.misdelivered;
        Break("a message came that nobody has sent, " + Describe(arrival));
        continue;
      }
      if (!IsFor(*entry, *arrived)) {
        ++verdict_.misdelivered;
        Break("misdelivered: " + Describe(*entry) + " came to one that it was not for, " + Describe(arrival));
        continue;
      }
      std::vector<Arrival>& known = arrivals_[arrived->operation];
      const auto same = std::ranges::find_if(
          known, [&](const Arrival& other) { return other.what.client == arrived->client; });
      if (same != known.end()) {
        Duplicate(Describe(*entry) + " came twice, " + Describe(arrival) + ", first at " + Seconds(same->at) +
                  (same->what.frame == arrived->frame ? ", under the same id" : ", under another id"));
        continue;
      }
      known.push_back(arrival);
      ++verdict_.delivered;
      OperationId& before =
          last[arrived->client][static_cast<uint64_t>(entry->sent.client) << 32 | entry->life];
      if (arrived->operation < before) {
        ++verdict_.reordered;
        Break("reordered: " + Describe(*entry) + " came after operation " + std::to_string(before) +
              " of the same sender, " + Describe(arrival));
      } else {
        before = arrived->operation;
      }
    }
  }

  bool IsFor(const OperationEntry& entry, const Arrived& arrived) const {
    const Sent& sent = entry.sent;
    if (arrived.addressed != arrived.client) return false;
    if (sent.kind == Kind::kSend || sent.kind == Kind::kTell) return sent.target == arrived.client;
    if (history_.HubOf(sent.client) != history_.HubOf(arrived.client)) return false;
    if (sent.kind == Kind::kBroadcast) return sent.client != arrived.client;
    const auto& subscriptions = ledger_.clients[arrived.client].subscriptions;
    const auto subscription = subscriptions.find(sent.topic);
    return subscription != subscriptions.end() && Overlaps(subscription->second.possible, entry.sent_at,
                                                           entry.answered() ? entry.answered_at : kForever);
  }

  void CheckAnswers() {
    for (OperationId id = 1; id < ledger_.operations.size(); ++id) {
      const OperationEntry& entry = ledger_.operations[id];
      ++verdict_.sent;
      if (entry.answered()) {
        CheckAnswer(entry);
      } else if (entry.sent.kind != Kind::kTell) {
        if (ledger_.clients[entry.sent.client].closes.size() >= entry.life) {
          ++verdict_.unanswered_at_close;
        } else {
          ++verdict_.lost_asks;
          Break("lost ask: " + Describe(entry) + " was never answered");
        }
      }
    }
    for (const auto& [at, answer] : ledger_.more_answers) {
      const OperationEntry* entry = ledger_.Find(answer.operation);
      const std::string came = At(answer.client, at);
      if (entry != nullptr && entry->sent.client == answer.client) {
        Duplicate(Describe(*entry) + " was answered twice, " + came);
      } else {
        ++verdict_.misdelivered;
        Break("misdelivered: an answer to operation " + std::to_string(answer.operation) +
              " came to one that had not asked, " + came +
              (answer.words == 0 ? "" : ": " + history_.words(answer.words)));
      }
    }
  }

  void CheckAnswer(const OperationEntry& entry) {
    const Outcome outcome = entry.answer.outcome;
    if (entry.answered_at - entry.sent_at > rules_.timeout) {
      ++verdict_.lost_asks;
      Break("lost ask: " + Describe(entry) + " was answered only after " +
            Seconds(entry.answered_at - entry.sent_at));
    }
    if (outcome == Outcome::kAcknowledged) ++verdict_.acknowledged;
    if (outcome == Outcome::kRetryable) ++verdict_.failed_retryable;
    if (outcome == Outcome::kUnknownActor && entry.sent.target != kNobody &&
        ledger_.clients[entry.sent.target].IsPresent(entry.sent_at, entry.answered_at)) {
      ++verdict_.registrations_lost;
      Break("registration lost: " + Describe(entry) + " found nobody under the address of client " +
            std::to_string(entry.sent.target));
    }
    if (outcome == Outcome::kRefused) {
      ++verdict_.refused;
      Break("refused: " + Describe(entry) + " was answered with " + history_.words(entry.answer.words));
    }
  }

  // Backwards: with each tell the next answer to the socket that told it.
  void CheckTells() {
    struct Proof {
      uint32_t life = 0;
      Micros at = kNever;
    };
    std::vector<Proof> proofs(ledger_.clients.size());
    for (OperationId id = ledger_.operations.size(); --id > 0;) {
      const OperationEntry& entry = ledger_.operations[id];
      Proof& proof = proofs[entry.sent.client];
      // A heartbeat is answered by the edge.
      if (entry.sent.kind != Kind::kTell && entry.sent.kind != Kind::kHeartbeat && entry.answered()) {
        proof = {entry.life, entry.answered_at};
      }
      if (entry.sent.kind != Kind::kTell || entry.answered()) continue;
      if (proof.life == entry.life) Expect(entry, entry.sent.target, proof.at, &verdict_.lost_tells);
    }
  }

  // Acknowledged ones.
  void CheckMessages() {
    for (OperationId id = 1; id < ledger_.operations.size(); ++id) {
      const OperationEntry& entry = ledger_.operations[id];
      if (!entry.carries_message() || !entry.acknowledged()) continue;
      if (entry.sent.target != kNobody) {
        Expect(entry, entry.sent.target, entry.answered_at, &verdict_.lost);
        continue;
      }
      for (ClientId client = history_.HubOf(entry.sent.client); client < history_.clients();
           client += history_.hubs()) {
        if (WasForCertain(entry, client)) Expect(entry, client, entry.answered_at, &verdict_.lost);
      }
    }
  }

  bool WasForCertain(const OperationEntry& entry, ClientId client) const {
    if (entry.sent.kind == Kind::kBroadcast) return client != entry.sent.client;
    const auto& subscriptions = ledger_.clients[client].subscriptions;
    const auto subscription = subscriptions.find(entry.sent.topic);
    return subscription != subscriptions.end() &&
           Covers(subscription->second.certain, entry.sent_at, entry.answered_at);
  }

  // It is to have arrived there, unless the session went; the hub had it by `by`.
  void Expect(const OperationEntry& entry, ClientId client, Micros by, uint64_t* lost) {
    const bool came = std::ranges::any_of(arrivals_[entry.sent.operation], [&](const Arrival& arrival) {
      return arrival.what.client == client;
    });
    if (came) return;
    const ClientEntry& target = ledger_.clients[client];
    if (!target.IsPresent(entry.sent_at, by)) {
      ++verdict_.gone_with_session;
      return;
    }
    // Which ones those were the hub does not say.
    uint64_t& excused = excused_[client];
    if (excused < target.missed) {
      ++excused;
      return;
    }
    ++*lost;
    Break("lost: " + Describe(entry) + " did not arrive at client " + std::to_string(client));
  }

  void CheckSessions() {
    for (ClientId client = 0; client < ledger_.clients.size(); ++client) {
      const ClientEntry& entry = ledger_.clients[client];
      verdict_.missed += entry.missed;
      for (const auto& [at, closed] : entry.closes) {
        ++verdict_.closes[closed.code];
        if (rules_.on_close == OnClose::kNone) {
          Break("closed: the socket of " + At(client, at) + ", with " + std::to_string(closed.code) + " " +
                history_.words(closed.words));
        }
      }
      for (size_t i = 1; i < entry.sessions.size(); ++i) {
        ++verdict_.reconnects;
        if (entry.sessions[i].resumed) {
          ++verdict_.resumed;
        } else if (rules_.on_close == OnClose::kResume) {
          Break("not resumed: the session of " + At(client, entry.sessions_at[i]));
        }
      }
      if (entry.away && rules_.on_close != OnClose::kNone) {
        Break("gone: client " + std::to_string(client) + " of hub " + std::to_string(history_.HubOf(client)) +
              " did not come back");
      }
    }
  }

  void CheckRegistrations() {
    struct State {
      uint32_t version = 0;
      uint32_t doubtful = 0;  // updates since, of which nobody knows whether they took effect
      bool found = false;
    };
    std::vector<State> states(ledger_.clients.size());
    for (const Record& record : history_.records()) {
      if (const auto* session = std::get_if<Session>(&record.what)) {
        if (!session->resumed) states[session->client] = {};
      } else if (const auto* sent = std::get_if<Sent>(&record.what)) {
        if (sent->kind == Kind::kRegister) ++states[sent->client].doubtful;
      } else if (const auto* answered = std::get_if<Answered>(&record.what)) {
        const OperationEntry* entry = ledger_.Find(answered->operation);
        if (entry == nullptr || entry->sent.kind != Kind::kRegister || !entry->acknowledged()) continue;
        State& state = states[entry->sent.client];
        const uint32_t version = answered->version;
        if (version <= state.version) {
          LoseRegistration(answered->client, record.at,
                           "was acknowledged with version " + std::to_string(version) + " after version " +
                               std::to_string(state.version));
        } else if (state.version != 0 && version > state.version + state.doubtful) {
          ++verdict_.applied_twice;
        }
        state.version = version;
        state.doubtful = 0;
      } else if (const auto* found = std::get_if<Found>(&record.what)) {
        State& state = states[found->client];
        state.found = true;
        if (found->version < state.version && !ledger_.clients[found->client].away) {
          LoseRegistration(found->client, record.at,
                           found->version == 0 ? "is not there at the end"
                                               : "has version " + std::to_string(found->version) +
                                                     " at the end, not " + std::to_string(state.version));
        } else if (found->version > state.version + state.doubtful) {
          ++verdict_.applied_twice;
        }
      }
    }
    for (ClientId client = 0; client < states.size(); ++client) {
      if (!states[client].found && !ledger_.clients[client].away) {
        Break("registration: nobody could say at the end whether that of client " + std::to_string(client) +
              " is there");
      }
    }
  }

  void LoseRegistration(ClientId client, Micros at, const std::string& what) {
    ++verdict_.registrations_lost;
    Break("registration: that of " + At(client, at) + ", " + what);
  }

  void Break(std::string words) {
    if (++verdict_.broken <= kWords) verdict_.words.push_back(std::move(words));
  }
  void Duplicate(std::string words) {
    ++verdict_.duplicated;
    if (rules_.strict_duplicates) Break("duplicated: " + words);
    if (verdict_.duplicates.size() < kWords) verdict_.duplicates.push_back(std::move(words));
  }

  std::string At(ClientId client, Micros at) const {
    return "client " + std::to_string(client) + " of hub " + std::to_string(history_.HubOf(client)) + " at " +
           Seconds(at);
  }
  std::string Describe(const OperationEntry& entry) const {
    const Sent& sent = entry.sent;
    std::string words = "operation " + std::to_string(sent.operation) + ", a " +
                        std::string(NameOf(sent.kind)) + " by " + At(sent.client, entry.sent_at);
    if (sent.target != kNobody) words += " to client " + std::to_string(sent.target);
    if (entry.answered()) {
      words += ", " + std::string(NameOf(entry.answer.outcome)) + " at " + Seconds(entry.answered_at);
    }
    return words;
  }
  std::string Describe(const Arrival& arrival) const {
    std::string words = At(arrival.what.client, arrival.at);
    if (arrival.what.addressed != arrival.what.client) words += ", addressed to another";
    return words;
  }

  const Ledger& ledger_;
  const History& history_;
  const Rules& rules_;
  std::vector<std::vector<Arrival>> arrivals_;      // first ones, by operation
  std::unordered_map<ClientId, uint64_t> excused_;  // of the messages that it missed
  Verdict verdict_;
};

}  // namespace

Verdict Check(const Ledger& ledger, const Rules& rules) { return Checker(ledger, rules).Run(); }

}  // namespace dormouse::load::check
