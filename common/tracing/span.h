// Spans of a distributed trace, as OpenTelemetry defines them: what was done for one request, by whom, from
// when to when. The ids are those of W3C Trace Context (trace_context.h).
//
// Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/trace_context.h"

namespace dormouse {

using TraceId = std::array<uint8_t, 16>;
using SpanId = std::array<uint8_t, 8>;  // all 0: none

// Where a span hangs: in which trace, under which span.
struct SpanParent {
  TraceId trace = {};
  SpanId span = {};

  // Those of a header that TraceContext::Parse has read.
  static SpanParent Of(const TraceContext& context);
  // The 24 bytes that are passed on between processes, and back. nullopt: not 24 bytes.
  std::string ToBytes() const;
  static std::optional<SpanParent> FromBytes(std::string_view bytes);
  // The value of a traceparent header that says so, and that the trace is recorded.
  std::string ToHeader() const;

  friend bool operator==(const SpanParent&, const SpanParent&) = default;
};

// Random, never all 0. Not secrets.
TraceId NewTraceId();
SpanId NewSpanId();

struct Span {
  enum class Kind : uint8_t { kInternal = 1, kServer = 2, kClient = 3, kProducer = 4, kConsumer = 5 };
  using Value = std::variant<std::string, int64_t>;

  TraceId trace = {};
  SpanId id = {};
  SpanId parent = {};
  Kind kind = Kind::kInternal;
  std::string name;         // of few values: what is done, not for whom
  int64_t start_us = 0;     // since 1970, UTC
  int64_t duration_us = 0;  // by the steady clock
  std::vector<std::pair<std::string_view, Value>> attributes = {};  // keys are literals
  std::string error = {};                                           // empty: it went well
};

// Microseconds since 1970 by this machine's clock, as those who compare spans expect.
int64_t NowUs();

}  // namespace dormouse
