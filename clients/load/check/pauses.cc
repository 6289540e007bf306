#include "clients/load/check/pauses.h"

#include <algorithm>

namespace dormouse::load::check {
namespace {

constexpr Micros kWindow = 10'000'000;

// When the wait for an answer was over.
Micros OverAt(const Ledger& ledger, const OperationEntry& entry, Micros end) {
  if (entry.answered()) return entry.answered_at;
  const ClientEntry& client = ledger.clients[entry.sent.client];
  if (client.closes.size() < entry.life) return end;
  const auto back = std::ranges::upper_bound(client.sessions_at, client.closes[entry.life - 1].first);
  return back == client.sessions_at.end() ? end : *back;
}

Pause Measure(const Ledger& ledger, std::string name, Interval window, Micros end) {
  const History& history = ledger.history;
  std::vector<Micros> connections(history.clients(), kNever);
  std::vector<Micros> hubs(history.hubs(), kNever);
  for (OperationId id = 1; id < ledger.operations.size(); ++id) {
    const OperationEntry& entry = ledger.operations[id];
    if (entry.sent.kind == Kind::kTell || entry.sent.kind == Kind::kHeartbeat) continue;
    if (entry.sent_at > window.to) break;
    const Micros over = OverAt(ledger, entry, end);
    if (over < window.from) continue;
    for (Micros* longest : {&connections[entry.sent.client], &hubs[history.HubOf(entry.sent.client)]}) {
      *longest = std::max(*longest, over - entry.sent_at);
    }
  }
  for (auto* waits : {&connections, &hubs}) std::erase(*waits, kNever);
  Pause pause;
  pause.mark = std::move(name);
  const auto longer_than = [&](Micros limit) {
    return static_cast<size_t>(std::ranges::count_if(hubs, [&](Micros wait) { return wait > limit; }));
  };
  pause.hubs_over_100ms = longer_than(100'000);
  pause.hubs_over_500ms = longer_than(500'000);
  pause.hubs_over_4s = longer_than(4'000'000);
  pause.connections = PercentilesOf(std::move(connections));
  pause.hubs = PercentilesOf(std::move(hubs));
  return pause;
}

}  // namespace

Percentiles PercentilesOf(std::vector<Micros> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto at = [&](double share) {
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
  };
  return {values.size(), at(0.5), at(0.99), values.back()};
}

std::vector<Pause> Pauses(const Ledger& ledger) {
  const auto& records = ledger.history.records();
  if (records.empty()) return {};
  const Micros end = records.back().at;
  std::vector<std::pair<std::string, Micros>> marks;
  Micros ready = records.front().at;
  for (const Record& record : records) {
    const auto* marked = std::get_if<Marked>(&record.what);
    if (marked == nullptr) continue;
    const std::string& name = ledger.history.words(marked->words);
    if (name == kReady) {
      ready = record.at;
    } else {
      marks.emplace_back(name, record.at);
    }
  }
  const Micros undisturbed = marks.empty() ? end : marks.front().second;
  // What waited at the mark waited longer because of it, perhaps.
  const Micros from = std::max(ready, undisturbed - kWindow);
  const Interval before{from, undisturbed - (undisturbed - from) / 10};
  std::vector<Pause> pauses{Measure(ledger, "baseline", before, end)};
  for (const auto& [name, at] : marks) pauses.push_back(Measure(ledger, name, {at, at + kWindow}, end));
  return pauses;
}

Percentiles Latency(const Ledger& ledger, bool heartbeats) {
  std::vector<Micros> waits;
  for (const OperationEntry& entry : ledger.operations) {
    if (entry.answered() && heartbeats == (entry.sent.kind == Kind::kHeartbeat)) {
      waits.push_back(entry.answered_at - entry.sent_at);
    }
  }
  return PercentilesOf(std::move(waits));
}

}  // namespace dormouse::load::check
