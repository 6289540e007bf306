// What was done in a trace, from when to when: OpenTelemetry's word for it. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dormouse {

struct Span {
  // OpenTelemetry's numbers.
  enum class Kind { kInternal = 1, kServer = 2, kConsumer = 5 };
  struct Attribute {
    std::string key;
    std::variant<std::string, int64_t> value;
  };

  std::string name;
  Kind kind = Kind::kInternal;
  std::string trace_id;   // in hexadecimal digits, as those that follow
  std::string id;         // 16 of them
  std::string parent_id;  // empty: the trace begins with it
  int64_t start_ns = 0;   // since 1970, as SpanClockNs
  int64_t end_ns = 0;
  std::vector<Attribute> attributes;
  std::string error;  // why it has failed, a sentence; empty: it has not
};

// Names of attributes.
inline constexpr std::string_view kHubClassAttribute = "dormouse.hub.class";
inline constexpr std::string_view kHubNameAttribute = "dormouse.hub.name";
inline constexpr std::string_view kStatusAttribute = "http.response.status_code";

// The time of day as WallMs has it, in steps that are fine enough for spans: those of one thread begin and end in the
// order in which they did.
int64_t SpanClockNs();

}  // namespace dormouse
