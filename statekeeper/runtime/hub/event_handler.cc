#include "statekeeper/runtime/hub/event_handler.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/logging.h"
#include "common/trace_context.h"
#include "statekeeper/runtime/hub/close_codes.h"

namespace dormouse {
namespace {

// Connections of a vanished gateway that are ended in one go.
constexpr size_t kGoneAtOnce = 64;

constexpr std::string_view kClosedByOperator = "Going Away";

// For the hub class: what it does in turn belongs to its span.
void SetTraceParent(const std::string& traceparent, link::OpenRequest* request) {
  for (link::OpenRequest::Header& header : *request->mutable_headers()) {
    if (header.name() == kTraceParent) header.set_value(traceparent);
  }
}

}  // namespace

std::vector<event::GatewayGone> GoneGateways(const HubState& state, const HubHost& host) {
  std::vector<event::GatewayGone> gone;
  for (const GatewayId gateway : state.Gateways()) {
    if (!host.IsPresent(gateway)) gone.push_back({gateway});
  }
  return gone;
}

Message MessageOf(const event::FromGateway& event) {
  return {.data = event.payload,
          .binary = event.kind == EventKind::kBinary,
          .received_ms = event.last_seen_ms,
          .repeated = event.repeated,
          .sequence = event.sequence};
}

std::string_view TraceParentOf(const link::OpenRequest& request) {
  for (const link::OpenRequest::Header& header : request.headers()) {
    if (header.name() == kTraceParent) return header.value();
  }
  return "";
}

std::string_view TraceOf(const link::OpenRequest& request) {
  const auto context = TraceContext::Parse(TraceParentOf(request));
  return context ? context->trace_id : "";
}

bool EventHandler::NeedsHub(const HubEvent& event) {
  return !Is<event::CallRoll>(event) && !Is<event::NoteSuspect>(event) && !Is<event::ClearSuspect>(event) &&
         !Is<event::NoteGivenUp>(event) && !Is<event::Resumed>(event);
}

void EventHandler::operator()(const event::FromGateway& event) {
  switch (event.kind) {
    case EventKind::kOpen:
      return Open(event);
    case EventKind::kText:
    case EventKind::kBinary:
      return Receive(event);
    case EventKind::kClose:
      return Close(event);
    case EventKind::kPause:
    case EventKind::kResume:
      return SetBackpressure(event);
    case EventKind::kUndelivered:
    case EventKind::kUnconfirmed:
      return Return(event);
    case EventKind::kLost:
      if (Lost lost; ReadLostPayload(event.payload, &lost)) hub_->OnLost(*context_, event.connection(), lost);
      return;
    case EventKind::kPresent:
      return SeePresent(event);
  }
}

void EventHandler::Open(const event::FromGateway& event) {
  link::OpenRequest request;
  request.ParseFromString(event.payload);
  {
    const LogAbout about({.shard = parts_.shard.shard,
                          .hub = parts_.name,
                          .connection = event.connection(),
                          .trace = TraceOf(request)});
    SPDLOG_DEBUG("connects");
  }
  const std::string_view traceparent = TraceParentOf(request);
  Trace("hub open", event, traceparent);
  parts_.state->AddConnection(event.connection(), context_->now_ms(),
                              context_->span() == nullptr ? "" : traceparent);
  if (context_->span() != nullptr) SetTraceParent(context_->span()->traceparent(), &request);
  const auto connection = parts_.state->FindConnection(event.connection());
  hub_->OnConnect(*context_, *connection, request);
}

std::shared_ptr<const Connection> EventHandler::See(const event::FromGateway& event) {
  auto connection = parts_.state->FindConnection(event.connection());
  if (connection == nullptr) {
    // Closed by the hub while the event was on its way, or lost by the store: either way there is no session.
    context_->CloseUnknown(event.connection(), kInternalError, "Unknown connection");
  } else {
    parts_.state->SawConnection(event.connection(), event.last_seen_ms);
  }
  return connection;
}

void EventHandler::Receive(const event::FromGateway& event) {
  const auto connection = See(event);
  if (connection == nullptr) return;
  if (connection->traceparent != nullptr) Trace("hub message", event, *connection->traceparent);
  hub_->OnMessage(*context_, *connection, MessageOf(event));
}

void EventHandler::Trace(std::string_view name, const event::FromGateway& event,
                         std::string_view traceparent) {
  OpenSpan* const span = Trace(name, Span::Kind::kConsumer, traceparent);
  if (span == nullptr) return;
  span->Set("dormouse.connection.id", event.connection().ToString());
  // In the gateway, on the link, and in the lane, which may have waited for the hub's shard.
  span->Set("dormouse.wait_ms", std::max<int64_t>(0, context_->now_ms() - event.last_seen_ms));
  if (event.repeated) span->Set("dormouse.repeated", 1);
}

OpenSpan* EventHandler::Trace(std::string_view name, Span::Kind kind, std::string_view traceparent) {
  Tracer* const tracer = parts_.host->tracer();
  if (tracer == nullptr || traceparent.empty()) return nullptr;
  return Enter(tracer->Continue(name, kind, traceparent));
}

void EventHandler::TraceTimer(const std::string& timer) {
  Tracer* const tracer = parts_.host->tracer();
  if (tracer == nullptr) return;
  OpenSpan* const span = Enter(tracer->Begin("hub alarm", Span::Kind::kInternal, ""));
  if (span != nullptr && !timer.empty()) span->Set("dormouse.timer.name", timer);
}

OpenSpan* EventHandler::Enter(std::unique_ptr<OpenSpan> span) {
  if (span != nullptr) span->SetHub(parts_.name);
  context_->set_span(std::move(span));
  return context_->span();
}

void EventHandler::SeePresent(const event::FromGateway& event) {
  // The hub may be new to the store, so that it has called no roll; and that connection may be closing.
  if (event.payload == kAskForRoll) return parts_.roll_caller->Ask(event.gateway);
  if (const auto connection = See(event)) hub_->OnSeen(*context_, *connection);
}

void EventHandler::Close(const event::FromGateway& event) {
  const auto connection = parts_.state->FindConnection(event.connection());
  if (connection == nullptr) return;
  parts_.state->SawConnection(event.connection(), event.last_seen_ms);
  parts_.state->RemoveConnection(event.connection());
  CloseView close{.code = kGoneAbnormally};
  ReadClosePayload(event.payload, &close);
  {
    const LogAbout about({.shard = parts_.shard.shard, .hub = parts_.name, .connection = event.connection()});
    SPDLOG_DEBUG("is closed ({}{})", close.code, close.by_client ? ", by its client" : "");
  }
  if (connection->traceparent != nullptr) Trace("hub close", event, *connection->traceparent);
  hub_->OnClose(*context_, *connection, {close.code, close.by_client, close.reason});
}

void EventHandler::SetBackpressure(const event::FromGateway& event) {
  const auto connection = parts_.state->FindConnection(event.connection());
  if (connection == nullptr) return;
  Backlog backlog;
  ReadBacklogPayload(event.payload, &backlog);
  hub_->OnBackpressure(*context_, *connection, event.kind == EventKind::kPause, backlog);
}

void EventHandler::Return(const event::FromGateway& event) {
  Message message = Message::ReturnableText(event.payload);
  message.unconfirmed = event.kind == EventKind::kUnconfirmed;
  hub_->OnUndelivered(*context_, event.connection(), message);
}

void EventHandler::operator()(const event::AlarmDue&) {
  HubState* const state = parts_.state;
  const int64_t now_ms = context_->now_ms();
  const std::optional<std::string> timer = state->FindDueTimer(now_ms);
  parts_.alarm->Begin(timer.value_or(""));
  if (state->IsCheckDue(now_ms)) {
    state->RearmCheck(now_ms);
    for (const event::GatewayGone& gone : GoneGateways(*state, *parts_.host)) parts_.queue->Add(gone);
  } else if (!timer) {
    state->ReindexAlarm();  // the index was wrong
  }
  if (!timer) return context_->DoNotStayAwake();
  TraceTimer(*timer);
  context_->RunTimer(*timer);
  if (timer->empty()) return hub_->OnAlarm(*context_);
  hub_->OnTimer(*context_, *timer);
}

void EventHandler::operator()(const event::GatewayGone& gone) {
  if (parts_.host->IsPresent(gone.gateway)) return;
  EndConnections(gone.gateway, gone, [this](const Connection& connection) { EndAsLost(connection); });
}

void EventHandler::operator()(const event::CloseAll& all) {
  EndConnections(0, all, [this](const Connection& connection) {
    CloseForOperator(connection);
    EndAsLost(connection);
  });
}

BackendCommands EventHandler::Backend() {
  return BackendCommands({.state = parts_.state,
                          .hub = hub_,
                          .context = context_,
                          .is_under_way =
                              [deferred = parts_.deferred](const std::string& key) {
                                return deferred->Any([&](const HubEvent& event) {
                                  const auto* const request = std::get_if<event::Request>(&event);
                                  const api::Request* const commands =
                                      request == nullptr ? nullptr : request->request->commands();
                                  return commands != nullptr && commands->idempotency_key() == key;
                                });
                              },
                          .end_connections = parts_.handle_later});
}

void EventHandler::operator()(const event::Request& request) {
  if (request.request->commands() == nullptr) {
    const HubRequest::Caller& caller = request.request->caller();
    if (caller.until_ms != 0 && SteadyMs() > caller.until_ms)
      return context_->set_failure("The hub was too busy to begin the call in time");
    Trace("hub call", Span::Kind::kServer, caller.traceparent);
    return hub_->OnRequest(*context_, request.request->payload());
  }
  Trace("hub request", Span::Kind::kServer, request.request->commands()->traceparent());
  Backend().Begin(request.request.get());
}

void EventHandler::operator()(const event::Resumed& resumed) {
  resumed.resumption->run(*context_);
  if (const HubRequest* const request = context_->finishing())
    Backend().End(*request, resumed.resumption->failure);
}

void EventHandler::FinishWithoutHub(const HubEvent& event) {
  const auto* const from = std::get_if<event::FromGateway>(&event);
  if (from != nullptr && from->kind == EventKind::kClose) {
    parts_.state->RemoveConnection(from->connection());
  } else if (const auto* const gone = std::get_if<event::GatewayGone>(&event)) {
    EndConnections(gone->gateway, event, [](const Connection&) {});
  } else if (Is<event::CloseAll>(event)) {
    EndConnections(0, event, [this](const Connection& connection) { CloseForOperator(connection); });
  }
}

void EventHandler::EndConnections(GatewayId gateway, const HubEvent& event,
                                  const std::function<void(const Connection&)>& ended) {
  const std::vector<ConnectionId> ids = parts_.state->ConnectionsOf(gateway, kGoneAtOnce);
  for (const ConnectionId& id : ids) {
    const auto connection = parts_.state->FindConnection(id);
    if (connection == nullptr) continue;
    parts_.state->RemoveConnection(id);
    ended(*connection);
  }
  if (ids.size() == kGoneAtOnce) parts_.queue->AddFirst(event);
}

void EventHandler::EndAsLost(const Connection& connection) {
  hub_->OnClose(*context_, connection, {kGoneAbnormally, false, ""});
}

void EventHandler::CloseForOperator(const Connection& connection) {
  context_->CloseUnknown(connection.id, kGoingAway, kClosedByOperator);
}

}  // namespace dormouse
