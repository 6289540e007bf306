// Which trace a request belongs to, as the W3C recommendation "Trace Context" has clients and proxies say it:
//
//   traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//
// Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

namespace dormouse {

inline constexpr std::string_view kTraceParent = "traceparent";

struct TraceContext {
  // Of a header's value; they point into it.
  std::string_view trace_id;   // 32 hexadecimal digits in lower case, not all of them 0
  std::string_view parent_id;  // 16 of them
  bool sampled = false;        // whoever asks records the trace

  // nullopt: it is none, and to be taken for none (recommendation, 3.2.2 and 4.3). Of later versions what
  // this one has is read.
  static std::optional<TraceContext> Parse(std::string_view traceparent);
};

}  // namespace dormouse
