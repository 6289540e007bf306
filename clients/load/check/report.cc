#include "clients/load/check/report.h"

#include <cstdio>
#include <utility>

#include "common/json/json_writer.h"

namespace dormouse::load::check {
namespace {

std::string Decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", value);
  return text;
}
std::string Milliseconds(Micros micros) { return Decimal(static_cast<double>(micros) / 1e3); }

JsonWriter PercentilesJson(const Percentiles& waits) {
  JsonWriter json;
  json.Raw("p50_ms", Milliseconds(waits.p50))
      .Raw("p99_ms", Milliseconds(waits.p99))
      .Raw("max_ms", Milliseconds(waits.max));
  return json;
}

std::string PauseJson(const Pause& pause) {
  const Percentiles& hubs = pause.hubs;
  return PercentilesJson(pause.connections)
      .Int("connections", static_cast<int64_t>(pause.connections.count))
      .Int("hubs", static_cast<int64_t>(hubs.count))
      .Raw("hubs_p50_ms", Milliseconds(hubs.p50))
      .Raw("hubs_p99_ms", Milliseconds(hubs.p99))
      .Raw("hubs_max_ms", Milliseconds(hubs.max))
      .Int("hubs_over_100ms", static_cast<int64_t>(pause.hubs_over_100ms))
      .Int("hubs_over_500ms", static_cast<int64_t>(pause.hubs_over_500ms))
      .Int("hubs_over_4s", static_cast<int64_t>(pause.hubs_over_4s))
      .Finish();
}

std::string ArrayJson(const std::vector<std::string>& texts) {
  std::string json = "[";
  for (const std::string& text : texts) {
    if (json.size() > 1) json.push_back(',');
    AppendJsonString(text, &json);
  }
  return json + "]";
}

std::string ClosesJson(const Verdict& verdict) {
  JsonWriter json;
  for (const auto& [code, count] : verdict.closes)
    json.Int(std::to_string(code), static_cast<int64_t>(count));
  return json.Finish();
}

// Under the names that they have in the report.
std::vector<std::pair<const char*, uint64_t>> Counts(const Verdict& verdict) {
  return {{"sent", verdict.sent},
          {"acknowledged", verdict.acknowledged},
          {"delivered", verdict.delivered},
          {"lost", verdict.lost},
          {"lost_tells", verdict.lost_tells},
          {"lost_asks", verdict.lost_asks},
          {"duplicated", verdict.duplicated},
          {"reordered", verdict.reordered},
          {"misdelivered", verdict.misdelivered},
          {"registrations_lost", verdict.registrations_lost},
          {"applied_twice", verdict.applied_twice},
          {"refused", verdict.refused},
          {"failed_retryable", verdict.failed_retryable},
          {"unanswered_at_close", verdict.unanswered_at_close},
          {"gone_with_session", verdict.gone_with_session},
          {"reconnects", verdict.reconnects},
          {"resumed", verdict.resumed},
          {"missed", verdict.missed},
          {"broken_count", verdict.broken}};
}

}  // namespace

std::string ToJson(const Report& report) {
  JsonWriter json;
  json.Bool("kept", report.verdict.kept());
  for (const auto& [name, count] : Counts(report.verdict)) json.Int(name, static_cast<int64_t>(count));
  JsonWriter pauses;
  for (const Pause& pause : report.pauses) pauses.Raw(pause.mark, PauseJson(pause));
  return json.Raw("closes", ClosesJson(report.verdict))
      .Raw("pauses", pauses.Finish())
      .Raw("latency", PercentilesJson(report.latency).Finish())
      .Raw("heartbeat_latency", PercentilesJson(report.heartbeat_latency).Finish())
      .Int("connections", report.connections)
      .Int("hubs", report.hubs)
      .Raw("seconds", Decimal(report.seconds))
      .Raw("cpu_seconds", Decimal(report.cpu_seconds))
      .Raw("broken", ArrayJson(report.verdict.words))
      .Raw("duplicates", ArrayJson(report.verdict.duplicates))
      .Finish();
}

std::string ToText(const Report& report) {
  const Verdict& verdict = report.verdict;
  std::string text = std::to_string(report.connections) + " connections, " + std::to_string(report.hubs) +
                     " hubs, " + Decimal(report.seconds) + " s, " + Decimal(report.cpu_seconds) +
                     " s of processor time\n";
  for (const auto& [name, count] : Counts(verdict)) {
    if (count != 0) text.append("  ").append(name).append(" ").append(std::to_string(count)).append("\n");
  }
  if (!verdict.closes.empty()) text += "  closes by code " + ClosesJson(verdict) + "\n";
  text += "  latency: half within " + Milliseconds(report.latency.p50) + " ms, 99 % within " +
          Milliseconds(report.latency.p99) + " ms, at most " + Milliseconds(report.latency.max) + " ms\n";
  for (const Pause& pause : report.pauses) {
    text += "  longest wait of a connection, " + pause.mark + ": p50 " + Milliseconds(pause.connections.p50) +
            ", p99 " + Milliseconds(pause.connections.p99) + ", max " + Milliseconds(pause.connections.max) +
            " ms; of " + std::to_string(pause.hubs.count) +
            " hubs over 100 ms: " + std::to_string(pause.hubs_over_100ms) +
            ", 500 ms: " + std::to_string(pause.hubs_over_500ms) +
            ", 4 s: " + std::to_string(pause.hubs_over_4s) + "\n";
  }
  for (const std::string& words : verdict.words) text += "broken: " + words + "\n";
  if (verdict.broken > verdict.words.size()) {
    text += "and " + std::to_string(verdict.broken - verdict.words.size()) + " more\n";
  }
  for (const std::string& words : verdict.duplicates) text += "twice: " + words + "\n";
  return text + (verdict.kept() ? "kept\n" : "broken\n");
}

}  // namespace dormouse::load::check
