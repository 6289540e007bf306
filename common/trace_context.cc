#include "common/trace_context.h"

#include <algorithm>

namespace dormouse {
namespace {

constexpr size_t kVersionSize = 2;
constexpr size_t kTraceIdSize = 32;
constexpr size_t kParentIdSize = 16;
constexpr size_t kFlagsSize = 2;
constexpr size_t kSize = kVersionSize + 1 + kTraceIdSize + 1 + kParentIdSize + 1 + kFlagsSize;

bool IsHex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(std::string_view text) {
  return IsHex(text) && std::ranges::any_of(text, [](char c) { return c != '0'; });
}

bool IsOdd(char hex) { return ((hex >= 'a' ? hex - 'a' + 10 : hex - '0') & 1) != 0; }

}  // namespace

std::optional<TraceContext> TraceContext::Parse(std::string_view traceparent) {
  if (traceparent.size() < kSize) return std::nullopt;
  const std::string_view version = traceparent.substr(0, kVersionSize);
  if (!IsHex(version) || version == "ff") return std::nullopt;
  if (traceparent.size() > kSize && (version == "00" || traceparent[kSize] != '-')) return std::nullopt;
  size_t at = kVersionSize;
  const auto next = [&](size_t size) {
    const std::string_view field = traceparent[at] == '-' ? traceparent.substr(at + 1, size) : "";
    at += 1 + size;
    return field;
  };
  TraceContext context;
  context.trace_id = next(kTraceIdSize);
  context.parent_id = next(kParentIdSize);
  const std::string_view flags = next(kFlagsSize);
  if (!IsId(context.trace_id) || !IsId(context.parent_id) || flags.empty() || !IsHex(flags))
    return std::nullopt;
  context.sampled = IsOdd(flags.back());
  return context;
}

}  // namespace dormouse
