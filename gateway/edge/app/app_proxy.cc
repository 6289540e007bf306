#include "gateway/edge/app/app_proxy.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/tracing/request_span.h"

namespace dormouse::edge {
namespace {

constexpr int64_t kTickMs = 64;
constexpr size_t kSlots = 1'024;
constexpr size_t kMostOfPath = 1'024;

HttpReply Later(int status, std::string body) {
  return {.status = status, .body = std::move(body), .headers = {{"Retry-After", "1"}}};
}

HttpReply ReplyTo(AppFailure failure) {
  switch (failure) {
    case AppFailure::kBadRequest:
      return {.status = 400, .body = "The request's body is not in chunks as Transfer-Encoding says.\n"};
    case AppFailure::kClientSlow:
      return {.status = 408, .body = "The request's body did not come in time; send it without pauses.\n"};
    case AppFailure::kWorkerSlow:
      return {.status = 504, .body = "The app did not answer in time (--app-timeout).\n"};
    case AppFailure::kBadAnswer:
      return {.status = 502, .body = "What the app answered is no HTTP that can be passed on.\n"};
    case AppFailure::kGatewayStops:
      return Later(503, "This gateway is stopping; try again to reach another.\n");
    case AppFailure::kNoWorker:
      return Later(503, "No worker of the app takes requests now; try again in a second.\n");
    case AppFailure::kWorkerGone:
    case AppFailure::kClientGone:  // is not answered
      break;
  }
  return {.status = 502,
          .body =
              "The app's worker ended before it answered; whether it did what was asked is "
              "not known.\n"};
}

// What a span says of it: only what is this side's doing.
std::string SpanFailure(AppFailure failure) {
  const HttpReply reply = ReplyTo(failure);
  if (failure == AppFailure::kClientGone || reply.status < 500) return "";
  return reply.body.substr(0, reply.body.find('\n'));
}

}  // namespace

AppProxy::AppProxy(Config config, struct ev_loop* loop, FrontDoor* front_door, Door* door,
                   GatewayMetrics* metrics, Tracer* tracer)
    : config_(config),
      loop_(loop),
      front_door_(front_door),
      door_(door),
      metrics_(metrics),
      tracer_(tracer),
      timers_(loop, kTickMs, kSlots, [this](TimerNode* node) { OnTimer(static_cast<Exchange*>(node)); }) {}

std::optional<HttpReply> AppProxy::PassOn(Exchange::Kind kind, const HttpRequest& request,
                                          const FrontDoor::Visit& visit, const IpAddress& client,
                                          bool by_proxy) {
  const bool to_socket = kind == Exchange::Kind::kSocket;
  const bool by_tls = visit.socket->tls != nullptr;
  RequestSpan span(tracer_, "app request", request);
  auto exchange =
      std::make_unique<Exchange>(loop_, static_cast<Exchange::Owner*>(this), kind, request,
                                 Exchange::Client{visit.socket, visit.peer, client, visit.crowded},
                                 WriteAppRequest(span.request(), HttpBody::Of(request),
                                                 {client.ToString(), by_proxy, by_tls}, to_socket));
  if (to_socket) exchange->KeepRequest(visit.head);
  if (!exchange->Start(visit.rest)) {
    *visit.socket = exchange->ReleaseClient();
    metrics_->AppFailed(AppFailure::kBadRequest);
    HttpReply reply = ReplyTo(AppFailure::kBadRequest);
    span.End(reply.status, {});
    return reply;
  }
  Exchange* const started = exchange.get();
  std::unique_ptr<OpenSpan> open = span.Take();
  if (open != nullptr) {
    open->Set("http.request.method", std::string(request.method));
    open->Set("url.path", std::string(request.path.substr(0, kMostOfPath)));
  }
  exchanges_.emplace(started, UnderWay{std::move(exchange), std::move(open)});
  metrics_->app_requests->Set(static_cast<double>(size()));
  OnTimer(started);
  return std::nullopt;
}

void AppProxy::OnTimer(Exchange* exchange) {
  if (!exchange->is_connected()) {
    if (const int worker = addresses_.Connect(); worker >= 0) exchange->Connect(worker);
  }
  const int64_t now_ms = SteadyMs();
  const int64_t next_ms = exchange->CheckTime({.timeout_ms = config_.timeout_ms,
                                               .half_closed_ms = config_.half_closed_ms,
                                               .connect_ms = config_.connect_ms,
                                               .deadline_ms = deadline_ms_},
                                              now_ms);
  if (next_ms == 0) return;
  timers_.Schedule(exchange, exchange->is_connected() ? next_ms : std::min(next_ms, now_ms + kTickMs));
}

void AppProxy::EndBy(int64_t deadline_ms) {
  deadline_ms_ = deadline_ms;
  for (const auto& [exchange, under_way] : exchanges_) timers_.Schedule(exchange, SteadyMs());
}

// --- How exchanges end.

void AppProxy::OnStatus(Exchange* exchange, int status) {
  metrics_->HttpResponse(status);
  OpenSpan* const span = exchanges_.at(exchange).span.get();
  if (span == nullptr) return;
  span->Set(kStatusAttribute, status);
  if (status >= 500) span->Fail("The app says so");
}

void AppProxy::OnAnswered(Exchange* exchange) {
  ClientSocket client = exchange->ReleaseClient();
  Remove(exchange);
  front_door_->SeeOut(std::move(client));
}

void AppProxy::OnFailed(Exchange* exchange, AppFailure failure) {
  metrics_->AppFailed(failure);
  const bool with_body = !exchange->is_head();
  ClientSocket client = exchange->ReleaseClient();
  const HttpReply reply = ReplyTo(failure);
  if (OpenSpan* const span = exchanges_.at(exchange).span.get()) span->Set(kStatusAttribute, reply.status);
  Remove(exchange, SpanFailure(failure));
  front_door_->Finish(std::move(client), reply, with_body);
}

void AppProxy::OnBroken(Exchange* exchange, AppFailure failure) {
  metrics_->AppFailed(failure);
  exchange->ResetClient();
  Remove(exchange, SpanFailure(failure));
}

void AppProxy::Remove(Exchange* exchange, std::string_view failure) {
  const auto found = exchanges_.find(exchange);
  if (OpenSpan* const span = found->second.span.get()) {
    if (!failure.empty()) span->Fail(failure);
    span->End();
  }
  exchanges_.erase(found);
  metrics_->app_requests->Set(static_cast<double>(size()));
}

bool AppProxy::OnSocketAnswer(Exchange* exchange, const HttpResponse& answer) {
  const std::optional<AppSocket> socket = ReadAppSocket(answer);
  if (!socket.has_value()) return false;
  HttpRequest request;
  HttpReply reply;
  ParseHttpRequest(exchange->request_head(), &request, &reply);  // as it was before
  OpenSpan* const span = exchanges_.at(exchange).span.get();
  const std::string traceparent = span == nullptr ? "" : span->traceparent();
  if (span != nullptr) {
    SetTraceParent(traceparent, &request);
    span->Set(kStatusAttribute, answer.status);
  }
  ClientSocket client = exchange->ReleaseClient();
  const FrontDoor::Visit visit{&client, exchange->peer(), exchange->crowded(), exchange->request_head(),
                               exchange->rest()};
  const std::optional<HttpReply> refusal =
      door_->OnAppSocket(request, visit, exchange->client_address(), *socket);
  Remove(exchange);
  if (refusal.has_value()) front_door_->Finish(std::move(client), *refusal);
  return true;
}

}  // namespace dormouse::edge
