// Spans as collectors take them by HTTP: the request of OTLP's trace service in JSON (opentelemetry.io, OTLP
// specification 1.x, "OTLP/HTTP"; the mapping of its messages to JSON), and what is answered. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/tracing/span.h"

namespace dormouse {

// ExportTraceServiceRequest: `spans`, all of the process that `resource` describes.
std::string OtlpRequest(const std::vector<Span::Attribute>& resource, const std::vector<Span>& spans);

// Of an answer that says it was taken: how many spans were not, all the same (partialSuccess).
uint64_t RejectedSpans(std::string_view answer);

// Whether a request that was answered so is worth another try (the specification's "retryable" codes).
bool IsRetryableOtlpStatus(long status);

// The seconds of a header Retry-After, as far as it is a number; at most `most`.
std::optional<int64_t> RetryAfterSeconds(std::string_view value, int64_t most);

}  // namespace dormouse
