#include "common/tracing/otlp.h"

#include <algorithm>
#include <charconv>

#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "common/version.h"

namespace dormouse {
namespace {

constexpr int kStatusError = 2;

// Numbers of 64 bits are strings in JSON.
std::string Quoted(int64_t number) { return '"' + std::to_string(number) + '"'; }

template <typename Items, typename Write>
std::string Array(const Items& items, const Write& write) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += write(item);
  }
  return out + ']';
}

std::string ValueOf(const Span::Attribute& attribute) {
  if (const auto* const text = std::get_if<std::string>(&attribute.value))
    return JsonWriter().String("stringValue", *text).Finish();
  return JsonWriter().Raw("intValue", Quoted(std::get<int64_t>(attribute.value))).Finish();
}

std::string Attributes(const std::vector<Span::Attribute>& attributes) {
  return Array(attributes, [](const Span::Attribute& attribute) {
    return JsonWriter().String("key", attribute.key).Raw("value", ValueOf(attribute)).Finish();
  });
}

std::string SpanInJson(const Span& span) {
  JsonWriter json;
  json.String("traceId", span.trace_id).String("spanId", span.id);
  if (!span.parent_id.empty()) json.String("parentSpanId", span.parent_id);
  json.String("name", span.name)
      .Int("kind", static_cast<int64_t>(span.kind))
      .Raw("startTimeUnixNano", Quoted(span.start_ns))
      .Raw("endTimeUnixNano", Quoted(span.end_ns))
      .Raw("attributes", Attributes(span.attributes));
  if (!span.error.empty()) {
    json.Raw("status", JsonWriter().Int("code", kStatusError).String("message", span.error).Finish());
  }
  return json.Finish();
}

}  // namespace

std::string OtlpRequest(const std::vector<Span::Attribute>& resource, const std::vector<Span>& spans) {
  const std::string scope =
      JsonWriter().String("name", "dormouse").String("version", DORMOUSE_VERSION).Finish();
  const std::string scope_spans =
      JsonWriter().Raw("scope", scope).Raw("spans", Array(spans, SpanInJson)).Finish();
  const std::string resource_spans =
      JsonWriter()
          .Raw("resource", JsonWriter().Raw("attributes", Attributes(resource)).Finish())
          .Raw("scopeSpans", '[' + scope_spans + ']')
          .Finish();
  return JsonWriter().Raw("resourceSpans", '[' + resource_spans + ']').Finish();
}

uint64_t RejectedSpans(std::string_view answer) {
  if (!IsValidJson(answer)) return 0;
  const JsonSlice partial = JsonObject(answer).Find("partialSuccess");
  if (!IsJsonObject(partial)) return 0;
  // As a string, or, by those who do not follow the mapping, as a number.
  const JsonSlice rejected = JsonObject(partial).Find("rejectedSpans");
  const std::string digits = JsonString(rejected).value_or(std::string(rejected));
  uint64_t count = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), count);
  return count;
}

bool IsRetryableOtlpStatus(long status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

std::optional<int64_t> RetryAfterSeconds(std::string_view value, int64_t most) {
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc::result_out_of_range) return most;
  if (error != std::errc() || end != value.data() + value.size() || seconds < 0) return std::nullopt;
  return std::min(seconds, most);
}

}  // namespace dormouse
