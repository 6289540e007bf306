#include "common/logging.h"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/clock.h"
#include "common/json/json_writer.h"

namespace dormouse {
namespace {

thread_local const LogSubject* subject_now = nullptr;

std::string_view LevelName(spdlog::level::level_enum level) {
  const auto& name = spdlog::level::to_string_view(level);
  return {name.data(), name.size()};
}

// Where the sources are on the machine that compiled them, up to the directory that this file's is in.
constexpr std::string_view kHere = __FILE__;
constexpr std::string_view kName = "common/logging.cc";
static_assert(kHere.ends_with(kName));

std::string SourceOf(const spdlog::source_loc& source) {
  if (source.empty()) return "";
  std::string_view file = source.filename;
  const std::string_view root = kHere.substr(0, kHere.size() - kName.size());
  if (file.starts_with(root)) file.remove_prefix(root.size());
  return fmt::format("{}:{}", file, source.line);
}

// Whoever chose what is in a message is not to begin a line of his own, nor to steer a terminal.
void AppendPrintable(std::string_view text, std::string* out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out->append("\\n");
    } else if (byte < 0x20 || byte == 0x7f) {
      out->append(fmt::format("\\x{:02x}", byte));
    } else {
      out->push_back(c);
    }
  }
}

std::string_view Cut(std::string_view message) { return message.substr(0, kMaxLogMessage); }

// What came before a line's own second is the business of nobody any more.
class LinesPerSecond {
 public:
  // Whether a line from that place is to be written; `*left_out`: how many before it were not.
  bool Take(const spdlog::source_loc& source, int64_t now_ms, uint64_t* left_out) {
    Place& place = places_[source.line][source.filename];
    if (const int64_t second = now_ms / 1000; second != place.second) place = {second, 0, place.left_out};
    if (place.lines == kLogLinesPerSecond) {
      ++place.left_out;
      return false;
    }
    ++place.lines;
    *left_out = std::exchange(place.left_out, 0);
    return true;
  }

 private:
  struct Place {
    int64_t second = 0;
    uint32_t lines = 0;
    uint64_t left_out = 0;
  };
  std::unordered_map<int, std::unordered_map<const char*, Place>>
      places_;  // as many as there are in the source
};

class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::atomic<bool> json{false};

  LogCounts counts() const {
    LogCounts counts;
    for (size_t i = 0; i < written_.size(); ++i)
      counts.written[i] = written_[i].load(std::memory_order_relaxed);
    counts.left_out = left_out_.load(std::memory_order_relaxed);
    return counts;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    uint64_t left_out = 0;
    if (message.level >= spdlog::level::info && !lines_.Take(message.source, SteadyMs(), &left_out)) {
      left_out_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    written_[static_cast<size_t>(message.level)].fetch_add(1, std::memory_order_relaxed);
    std::string said(Cut({message.payload.data(), message.payload.size()}));
    if (left_out > 0) said += fmt::format(" ({} more lines like this one were left out)", left_out);
    using std::chrono::duration_cast, std::chrono::milliseconds;
    const std::string source = SourceOf(message.source);
    const LogLine line{
        .wall_ms = duration_cast<milliseconds>(message.time.time_since_epoch()).count(),
        .level = message.level,
        .process = {message.logger_name.data(), message.logger_name.size()},
        .source = source,
        .message = said,
        .subject = subject_now,
    };
    const std::string text = json.load(std::memory_order_relaxed) ? LogLineAsJson(line) : LogLineAsText(line);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }

  LinesPerSecond lines_;
  std::array<std::atomic<uint64_t>, spdlog::level::n_levels> written_ = {};
  std::atomic<uint64_t> left_out_{0};
};

const std::shared_ptr<StandardError>& Sink() {
  // gRPC's threads, which may outlive main, write through it.
  static const auto* const sink = new std::shared_ptr<StandardError>(std::make_shared<StandardError>());
  return *sink;
}

}  // namespace

void InitLogging(const std::string& process, const std::string& level, const std::string& format) {
  auto logger = std::make_shared<spdlog::logger>(process, Sink());
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  SetLogging(level, format);
}

void SetLogging(const std::string& level, const std::string& format) {
  Sink()->json.store(format == "json", std::memory_order_relaxed);
  spdlog::default_logger_raw()->set_level(spdlog::level::from_str(level));
}

bool LogIsJson() { return Sink()->json.load(std::memory_order_relaxed); }

LogAbout::LogAbout(const LogSubject& subject) : subject_(subject), before_(subject_now) {
  subject_now = &subject_;
}
LogAbout::~LogAbout() { subject_now = before_; }

LogCounts CountLogLines() { return Sink()->counts(); }

std::string LogLineAsText(const LogLine& line) {
  std::string text = fmt::format("{} {} {} ", Iso8601(line.wall_ms), line.process, LevelName(line.level));
  if (line.subject != nullptr) {
    const LogSubject& subject = *line.subject;
    const size_t begin = text.size();
    const auto add = [&text, begin](std::string_view name, std::string_view value) {
      if (text.size() > begin) text += ", ";
      text.append(name).push_back(' ');
      AppendPrintable(value, &text);
    };
    if (subject.lane) add("lane", std::to_string(*subject.lane));
    if (subject.shard) add("shard", std::to_string(*subject.shard));
    if (!subject.hub.empty()) add("hub", subject.hub);
    if (subject.connection) add("connection", subject.connection->ToString());
    if (!subject.trace.empty()) add("trace", subject.trace);
    if (text.size() > begin) text += ": ";
  }
  AppendPrintable(line.message, &text);
  text.push_back('\n');
  return text;
}

std::string LogLineAsJson(const LogLine& line) {
  JsonWriter json;
  json.String("time", Iso8601(line.wall_ms))
      .String("level", LevelName(line.level))
      .String("process", line.process);
  if (line.subject != nullptr) {
    const LogSubject& subject = *line.subject;
    if (subject.lane) json.Int("lane", *subject.lane);
    if (subject.shard) json.Int("shard", *subject.shard);
    if (!subject.hub.empty()) json.String("hub", subject.hub);
    if (subject.connection) json.String("connection", subject.connection->ToString());
    if (!subject.trace.empty()) json.String("trace", subject.trace);
  }
  json.String("message", line.message);
  if (!line.source.empty()) json.String("source", line.source);
  return json.Finish() + "\n";
}

}  // namespace dormouse
