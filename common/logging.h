// Logging: spdlog, to standard error, one line an event, for people or (log-format) as a JSON object:
//
//   2026-01-31T12:34:56.789Z statekeeper warning hub echo/attic: a commit failed; 3 events are taken back
//   {"time":"2026-01-31T12:34:56.789Z","level":"warning","process":"statekeeper","hub":"echo/attic",
//    "message":"a commit failed; 3 events are taken back","source":"statekeeper/runtime/awake_hub.cc:60"}
//
// Use SPDLOG_INFO(...) and its siblings through here. What a line is about is said beside it, so that
// machines find it in a field of its own:
//
//   const LogAbout about({.hub = name_});
//   SPDLOG_WARN("a commit failed; {} events are taken back", events);
//
// A line is one line, whatever is in it, and no longer than kMaxLogMessage. However often something happens,
// one place in the source writes at most kLogLinesPerSecond lines a second (those of debug and trace are not
// counted: somebody wants them all); how many were left out is said with the next one.
#pragma once

// Lines of all levels are compiled in: log-level decides while the process runs.
#define SPDLOG_ACTIVE_LEVEL SPDLOG_LEVEL_TRACE
#include <spdlog/spdlog.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/ids.h"
#include "common/shard.h"

namespace dormouse {

inline constexpr size_t kMaxLogMessage = 8'192;
inline constexpr uint32_t kLogLinesPerSecond = 50;

// Call once in main. `level`: trace, debug, info, warn, error, off. `process` is shown in every line.
// `format`: text or json.
void InitLogging(const std::string& process, const std::string& level, const std::string& format = "text");
// The same later on; any thread.
void SetLogging(const std::string& level, const std::string& format);
// Whether lines are JSON now.
bool LogIsJson();

// What a line is about, as far as it is about one.
struct LogSubject {
  std::optional<uint32_t> lane = {};
  std::optional<ShardId> shard = {};
  std::string_view hub = {};  // CLASS/NAME
  std::optional<ConnectionId> connection = {};
  std::string_view trace = {};  // its id (W3C Trace Context), in hex
};

// The lines that this thread writes as long as it lives are about that. For a line or two: not across
// anything that lets other hubs run.
class LogAbout {
 public:
  explicit LogAbout(const LogSubject& subject);
  ~LogAbout();
  LogAbout(const LogAbout&) = delete;
  LogAbout& operator=(const LogAbout&) = delete;

 private:
  const LogSubject subject_;
  const LogSubject* const before_;
};

// For metrics: lines written since the start, by level (spdlog::level), and lines left out.
struct LogCounts {
  std::array<uint64_t, spdlog::level::n_levels> written = {};
  uint64_t left_out = 0;
};
LogCounts CountLogLines();

// --- For the sink, and for tests.
struct LogLine {
  int64_t wall_ms = 0;
  spdlog::level::level_enum level = spdlog::level::info;
  std::string_view process;
  std::string_view source;  // FILE:LINE; empty: unknown
  std::string_view message;
  const LogSubject* subject = nullptr;
};
// With its end.
std::string LogLineAsText(const LogLine& line);
std::string LogLineAsJson(const LogLine& line);

}  // namespace dormouse
