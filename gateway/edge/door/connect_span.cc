#include "gateway/edge/door/connect_span.h"

#include "common/trace_context.h"

namespace dormouse::edge {

ConnectSpan::ConnectSpan(Tracer* tracer, const HttpRequest& request) : request_(request) {
  if (tracer == nullptr) return;
  span_ = tracer->Begin("websocket connect", Span::Kind::kServer, request.Header(kTraceParent).value_or(""));
  if (span_ == nullptr) return;
  traceparent_ = span_->traceparent();
  traced_ = request;
  std::erase_if(traced_->headers,
                [](const auto& header) { return EqualsIgnoringCase(header.first, kTraceParent); });
  traced_->headers.emplace_back(kTraceParent, traceparent_);
}

void ConnectSpan::OnHub(std::string_view hub) {
  if (span_ != nullptr) span_->SetHub(hub);
}

void ConnectSpan::End(const std::optional<HttpReply>& reply) {
  if (span_ == nullptr) return;
  span_->Set(kStatusAttribute, reply ? reply->status : 101);
  // Of a server only its own failures are errors.
  if (reply && reply->status >= 500) span_->Fail("The socket was not opened");
  span_->End();
}

}  // namespace dormouse::edge
