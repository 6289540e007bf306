#include "common/tracing/request_span.h"

#include "common/trace_context.h"

namespace dormouse {

RequestSpan::RequestSpan(Tracer* tracer, std::string_view name, const HttpRequest& request)
    : request_(request) {
  if (tracer == nullptr) return;
  span_ = tracer->Begin(name, Span::Kind::kServer, request.Header(kTraceParent).value_or(""));
  if (span_ == nullptr) return;
  traceparent_ = span_->traceparent();
  traced_ = request;
  SetTraceParent(traceparent_, &*traced_);
}

void RequestSpan::OnHub(std::string_view hub) {
  if (span_ != nullptr) span_->SetHub(hub);
}

void RequestSpan::End(int status, std::string_view failure) {
  if (span_ != nullptr) span_->EndAnswered(status, failure);
}

void SetTraceParent(std::string_view traceparent, HttpRequest* request) {
  std::erase_if(request->headers,
                [](const auto& header) { return EqualsIgnoringCase(header.first, kTraceParent); });
  request->headers.emplace_back(kTraceParent, traceparent);
}

}  // namespace dormouse
