#include "common/tracing/span.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "common/ids.h"

namespace dormouse {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

template <size_t size>
void AppendHex(const std::array<uint8_t, size>& bytes, std::string* out) {
  for (const uint8_t byte : bytes) {
    out->push_back(kDigits[byte >> 4]);
    out->push_back(kDigits[byte & 15]);
  }
}

// `hex`: 2 * size digits in lower case.
template <size_t size>
std::array<uint8_t, size> FromHex(std::string_view hex) {
  std::array<uint8_t, size> bytes = {};
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>(kDigits.find(hex[2 * i]) << 4 | kDigits.find(hex[2 * i + 1]));
  }
  return bytes;
}

// Of a version 4 UUID, whose fixed bits keep it from being all 0.
TraceId RandomBytes() {
  const GatewayId high = NewGatewayId();
  const GatewayId low = NewGatewayId();
  TraceId bytes;
  std::memcpy(bytes.data(), &high, sizeof(high));
  std::memcpy(bytes.data() + sizeof(high), &low, sizeof(low));
  return bytes;
}

}  // namespace

SpanParent SpanParent::Of(const TraceContext& context) {
  return {.trace = FromHex<16>(context.trace_id), .span = FromHex<8>(context.parent_id)};
}

std::string SpanParent::ToBytes() const {
  std::string bytes(trace.begin(), trace.end());
  bytes.append(span.begin(), span.end());
  return bytes;
}

std::optional<SpanParent> SpanParent::FromBytes(std::string_view bytes) {
  SpanParent parent;
  if (bytes.size() != parent.trace.size() + parent.span.size()) return std::nullopt;
  std::memcpy(parent.trace.data(), bytes.data(), parent.trace.size());
  std::memcpy(parent.span.data(), bytes.data() + parent.trace.size(), parent.span.size());
  return parent;
}

std::string SpanParent::ToHeader() const {
  std::string header = "00-";
  AppendHex(trace, &header);
  header.push_back('-');
  AppendHex(span, &header);
  header += "-01";
  return header;
}

TraceId NewTraceId() { return RandomBytes(); }

SpanId NewSpanId() {
  const TraceId bytes = RandomBytes();
  SpanId id;
  std::copy_n(bytes.begin(), id.size(), id.begin());
  return id;
}

int64_t NowUs() {
  using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::system_clock;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace dormouse
