#include "statekeeper/classes/callback/callback_hub.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "common/clock.h"
#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr std::string_view kOutboxRow = "m";
constexpr std::string_view kEventRows = "e/";
constexpr std::string_view kStateRows = "s/";
constexpr std::string_view kPendingRows =
    "p/";  // sockets whose connect is not answered: they hear no broadcasts
constexpr std::string_view kAcceptedRows =
    "n/";  // by socket: the sequence of its last message that was accepted; "0": its connect was
constexpr std::string_view kTimer = "post";

constexpr uint16_t kNotNow = 1013;  // Try Again Later
constexpr std::string_view kUnavailable = "The backend is not available; try again later";
constexpr std::string_view kTooSlow = "The backend does not keep up; try again later";

constexpr int64_t kLeaseMs = 1'000;  // shorter ones cost a commit more often
constexpr int64_t kFirstRetryMs = 1'000;
constexpr int64_t kLongestRetryMs = 30'000;
constexpr int64_t kAfterGivingUpMs = 60'000;
// Tries in vain after which new sockets of the hub are refused.
constexpr uint32_t kHopelessAttempts = 3;
// What has no client, who could be told, may wait in addition.
constexpr size_t kMoreWithoutClient = 10;

std::string EventRow(uint64_t number) { return fmt::format("{}{:016x}", kEventRows, number); }
std::string PendingRow(const ConnectionId& id) { return std::string(kPendingRows) + id.ToString(); }
std::string AcceptedRow(const ConnectionId& id) { return std::string(kAcceptedRows) + id.ToString(); }

uint64_t NumberOf(std::string_view row) {
  return std::stoull(std::string(row.substr(kEventRows.size())), nullptr, 16);
}

std::string TypeOf(const JsonObject& event) { return JsonString(event.Find("type")).value_or(""); }
std::optional<ConnectionId> ConnectionOf(const JsonObject& event) {
  return ConnectionId::Parse(JsonString(event.Find("connection")).value_or(""));
}

std::string Strings(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::string list = "[";
  for (const std::string& text : texts) list.append(list.size() > 1 ? "," : "").append(JsonQuoted(text));
  return list + "]";
}

std::string ConnectEvent(const Connection& connection, const link::OpenRequest& request) {
  JsonWriter event;
  event.String("type", "connect")
      .String("connection", connection.id.ToString())
      .String("at", Iso8601(connection.connected_ms))
      .String("path", request.path())
      .String("query", request.query())
      .String("remoteAddress", request.remote_address())
      .String("subprotocol", request.subprotocol());
  JsonWriter headers;
  for (const auto& header : request.headers()) headers.String(header.name(), header.value());
  event.Raw("headers", headers.Finish());
  if (request.has_identity()) {
    const link::Identity& who = request.identity();
    event.Raw("identity", JsonWriter()
                              .String("actor", who.actor())
                              .Raw("actors", Strings(who.actors()))
                              .Raw("capabilities", Strings(who.capabilities()))
                              .String("role", who.role())
                              .Finish());
  }
  return event.Finish();
}

std::string MessageEvent(const Connection& from, const Message& message) {
  JsonWriter event;
  event.String("type", "message")
      .String("connection", from.id.ToString())
      .String("at", Iso8601(message.received_ms));
  if (message.binary) {
    event.String("base64", absl::Base64Escape({message.data.data(), message.data.size()}));
  } else {
    event.String("data", message.data);
  }
  return event.Finish();
}

Message FrameOf(const api::Data& data) {
  if (data.has_binary()) return Message::Binary(data.binary());
  return Message::Text(data.has_text() ? data.text() : data.json());
}

}  // namespace

std::string CallbackHub::Outbox::Print() const {
  return fmt::format("{} {} {} {} {} {} {} {} {} {}", first, next, bytes, batch_end, number, since_ms,
                     attempts, not_before_ms, missed, reported);
}

CallbackHub::Outbox CallbackHub::Outbox::Parse(const std::string& text) {
  Outbox box;
  std::istringstream(text) >> box.first >> box.next >> box.bytes >> box.batch_end >> box.number >>
      box.since_ms >> box.attempts >> box.not_before_ms >> box.missed >> box.reported;
  return box;
}

CallbackHub::CallbackHub(std::shared_ptr<CallbackEndpoint> endpoint, std::shared_ptr<CallbackSender> sender,
                         std::shared_ptr<TaskQueue> lane)
    : endpoint_(std::move(endpoint)), sender_(std::move(sender)), lane_(std::move(lane)) {}

// --- The outbox.

void CallbackHub::Load(Context& context) {
  if (std::exchange(loaded_, true)) return;
  if (const auto row = context.Get(kOutboxRow)) outbox_ = Outbox::Parse(*row);
}

void CallbackHub::Save(Context& context) {
  context.Put(kOutboxRow, outbox_.Print());
  if (outbox_.empty()) {
    context.DeleteTimer(kTimer);
  } else if (!context.GetTimer(kTimer)) {
    RenewLease(context);
  }
}

void CallbackHub::RenewLease(Context& context) { context.SetTimer(kTimer, context.now_ms() + kLeaseMs); }

bool CallbackHub::IsFull() const {
  return outbox_.next - outbox_.first >= endpoint_->settings.queue_events ||
         outbox_.bytes >= endpoint_->settings.queue_bytes;
}

bool CallbackHub::IsHopeless() const { return endpoint_->IsDown() || outbox_.attempts >= kHopelessAttempts; }

bool CallbackHub::Accept(Context& context, const Connection& from, const Message& message) {
  const std::string row = AcceptedRow(from.id);
  if (message.repeated) {
    const auto accepted = context.Get(row);
    if (accepted && std::stoull(std::string(*accepted)) >= message.sequence) return false;
  }
  context.Put(row, fmt::format("{}", message.sequence));
  return true;
}

void CallbackHub::Forget(Context& context, const ConnectionId& connection) {
  context.Delete(PendingRow(connection));
  context.Delete(AcceptedRow(connection));
}

void CallbackHub::Add(Context& context, const std::string& event, bool urgent) {
  if (urgent && outbox_.batch_end == 0) outbox_.not_before_ms = 0;
  outbox_.bytes += event.size();
  context.Put(EventRow(outbox_.next++), event);
  Save(context);
}

void CallbackHub::AddDisconnect(Context& context, const ConnectionId& connection, uint16_t code,
                                std::string_view reason, bool by_client) {
  if (!endpoint_->settings.disconnects) return;
  if (outbox_.next - outbox_.first >= endpoint_->settings.queue_events * kMoreWithoutClient) {
    ++outbox_.missed;
    return Save(context);
  }
  Add(context,
      JsonWriter()
          .String("type", "disconnect")
          .String("connection", connection.ToString())
          .String("at", Iso8601(context.now_ms()))
          .Int("code", code)
          .String("reason", reason)
          .Bool("byClient", by_client)
          .Finish(),
      false);
}

void CallbackHub::Refuse(Context& context, const ConnectionId& connection, std::string_view why) {
  context.Close(connection, kNotNow, why);
  if (CallbackMetrics* const metrics = endpoint_->metrics) metrics->refused.Increment();
}

// --- Events.

void CallbackHub::OnConnect(Context& context, const Connection& connection,
                            const link::OpenRequest& request) {
  if (!endpoint_->settings.connects) return;
  Load(context);
  if (context.Get(AcceptedRow(connection.id))) {
    // It is repeated, and waits already, or was answered.
  } else if (IsHopeless()) {
    Refuse(context, connection.id, kUnavailable);
  } else if (IsFull()) {
    Refuse(context, connection.id, kTooSlow);
  } else {
    context.Put(PendingRow(connection.id), "");
    context.Put(AcceptedRow(connection.id), "0");
    Add(context, ConnectEvent(connection, request), true);
  }
  PostSoon(context);
}

void CallbackHub::OnMessage(Context& context, const Connection& from, const Message& message) {
  if (!endpoint_->settings.messages) return;
  Load(context);
  if (IsFull()) {
    Refuse(context, from.id, kTooSlow);
    Forget(context, from.id);
    AddDisconnect(context, from.id, kNotNow, kTooSlow, false);
  } else if (Accept(context, from, message)) {
    Add(context, MessageEvent(from, message), true);
  }
  PostSoon(context);
}

void CallbackHub::OnClose(Context& context, const Connection& connection, const CloseInfo& close) {
  Load(context);
  Forget(context, connection.id);
  AddDisconnect(context, connection.id, close.code, close.reason, close.by_client);
  PostSoon(context);
}

void CallbackHub::OnAlarm(Context& context) {
  if (!endpoint_->settings.timers) return;
  Load(context);
  Add(context, JsonWriter().String("type", "timer").String("at", Iso8601(context.now_ms())).Finish(), false);
  PostSoon(context);
}

void CallbackHub::OnTimer(Context& context, std::string_view) {
  if (posting_) {
    context.DoNotStayAwake();
    return RenewLease(context);
  }
  Load(context);
  Save(context);  // which sets it again
  PostSoon(context);
}

std::vector<std::pair<std::string, int64_t>> CallbackHub::Describe(Context& context) {
  Load(context);
  return {{"events that wait", static_cast<int64_t>(outbox_.next - outbox_.first)},
          {"bytes of them", static_cast<int64_t>(outbox_.bytes)},
          {"requests in vain", outbox_.attempts}};
}

// --- A batch.

void CallbackHub::PostSoon(Context& context) {
  if (posting_ || outbox_.empty() || lane_ == nullptr) return;
  if (outbox_.not_before_ms > context.now_ms()) {
    return context.SetTimer(kTimer, outbox_.not_before_ms);
  }
  posting_ = true;
  const std::shared_ptr<HubPort> port = context.port();
  port->Hold(true);
  // Later, and an event of its own: what is posted must be durable.
  struct Request {
    std::string id;
    std::string body;
  };
  const auto request = std::make_shared<Request>();
  port->Resume({.run =
                    [this, request](Context& later) {
                      const CallbackSettings& settings = endpoint_->settings;
                      const bool over = outbox_.batch_end != 0 && settings.give_up_after.count() > 0 &&
                                        later.now_ms() - outbox_.since_ms >= settings.give_up_after.count();
                      if (over) return GiveUp(later);
                      if (outbox_.batch_end == 0) FormBatch(later);
                      ++outbox_.attempts;
                      RenewLease(later);
                      Save(later);
                      request->id =
                          fmt::format("{}/{}/{}", later.hub_class(), later.hub_name(), outbox_.number);
                      request->body = BodyOf(later);
                    },
                .durable =
                    [this, request, port, alive = std::weak_ptr<bool>(alive_)] {
                      if (!alive.expired() && !request->id.empty())
                        Send(std::move(request->id), std::move(request->body), port);
                    }});
}

void CallbackHub::FormBatch(Context& context) {
  uint64_t bytes = 0;
  uint64_t end = outbox_.first;
  context.List(
      {.prefix = kEventRows, .start = EventRow(outbox_.first), .limit = endpoint_->settings.batch_events},
      [&](std::string_view row, std::string_view event) {
        bytes += event.size();
        if (end != outbox_.first && bytes > endpoint_->settings.batch_bytes) return false;
        end = NumberOf(row) + 1;
        return true;
      });
  outbox_.batch_end = end;
  // After a restore from a backup, too, it is none that was there.
  outbox_.number = std::max<uint64_t>(outbox_.number + 1, static_cast<uint64_t>(context.now_ms()));
  outbox_.since_ms = context.now_ms();
  outbox_.attempts = 0;
  outbox_.reported = std::exchange(outbox_.missed, 0);
}

std::string CallbackHub::BodyOf(Context& context) {
  std::string events = "[";
  context.List({.prefix = kEventRows, .start = EventRow(outbox_.first), .end = EventRow(outbox_.batch_end)},
               [&](std::string_view, std::string_view event) {
                 events.append(events.size() > 1 ? "," : "").append(event);
                 return true;
               });
  JsonWriter state;
  context.List(kStateRows, [&](std::string_view row, std::string_view value) {
    state.Raw(row.substr(kStateRows.size()), value);
    return true;
  });
  JsonWriter body;
  body.String("class", context.hub_class()).String("hub", context.hub_name()).Raw("events", events + "]");
  if (outbox_.reported > 0) body.Int("missedDisconnects", static_cast<int64_t>(outbox_.reported));
  return body.Raw("state", state.Finish()).Finish();
}

void CallbackHub::Send(std::string id, std::string body, std::shared_ptr<HubPort> port) {
  if (CallbackMetrics* const metrics = endpoint_->metrics; metrics != nullptr && outbox_.attempts > 1)
    metrics->retries.Increment();
  sender_->Post(
      {.endpoint = endpoint_,
       .id = std::move(id),
       .body = std::move(body),
       .done = [lane = lane_, port = std::move(port), hub = this](CallbackSender::Result result) {
         // The port knows whether the object is there still.
         lane->Post([port, hub, result = std::make_shared<CallbackSender::Result>(std::move(result))] {
           port->Resume({.run = [hub, result](Context& context) { hub->OnResult(context, *result); }});
         });
       }});
}

void CallbackHub::OnResult(Context& context, const CallbackSender::Result& result) {
  posting_ = false;
  context.port()->Hold(false);
  if (result.failure != CallbackFailure::kNone)
    return Fail(context, result.failure, result.status == 0 ? "" : fmt::format(" {}", result.status));
  CallbackAnswer answer;
  std::string wrong = ReadCallbackAnswer(result.body, &answer);
  if (!wrong.empty() || !Apply(context, answer, &wrong))
    return Fail(context, CallbackFailure::kAnswer, ": " + wrong);
  PostSoon(context);
}

void CallbackHub::Fail(Context& context, CallbackFailure why, std::string_view more) {
  if (CallbackMetrics* const metrics = endpoint_->metrics)
    metrics->failures.at(static_cast<size_t>(why))->Increment();
  if (uint64_t left_out = 0; endpoint_->log.Take(&left_out)) {
    const std::string hub = fmt::format("{}/{}", context.hub_class(), context.hub_name());
    const LogAbout about({.hub = hub});
    SPDLOG_WARN("a callback has failed ({}{}), try {}{}", NameOf(why), more, outbox_.attempts,
                left_out == 0 ? "" : fmt::format(" ({} more such failures were not noted)", left_out));
  }
  const int64_t wait_ms =
      std::min(kLongestRetryMs, kFirstRetryMs << std::min<uint32_t>(std::max(outbox_.attempts, 1u) - 1, 10));
  outbox_.not_before_ms = context.now_ms() + wait_ms;
  context.SetTimer(kTimer, outbox_.not_before_ms);
  Save(context);
}

bool CallbackHub::Apply(Context& context, const CallbackAnswer& answer, std::string* wrong) {
  std::map<std::string, std::string> state;
  context.List(kStateRows, [&](std::string_view row, std::string_view value) {
    state.emplace(row.substr(kStateRows.size()), value);
    return true;
  });
  for (const CallbackAnswer::Step& step : answer.steps) {
    if (const auto* const put = std::get_if<CallbackAnswer::Put>(&step)) state[put->key] = put->json;
    if (const auto* const gone = std::get_if<CallbackAnswer::Delete>(&step)) state.erase(gone->key);
  }
  size_t bytes = 0;
  for (const auto& [key, value] : state) bytes += key.size() + value.size();
  if (bytes > kMaxState || state.size() > kMaxKeys) {
    *wrong = fmt::format("The hub's state would have {} bytes in {} keys; it may have {} in {}.", bytes,
                         state.size(), kMaxState, kMaxKeys);
    return false;
  }
  std::set<ConnectionId> closed;
  for (const CallbackAnswer::Step& step : answer.steps) {
    if (const auto* const put = std::get_if<CallbackAnswer::Put>(&step)) {
      context.Put(std::string(kStateRows) + put->key, put->json);
    } else if (const auto* const gone = std::get_if<CallbackAnswer::Delete>(&step)) {
      context.Delete(std::string(kStateRows) + gone->key);
    } else if (const auto* const tag = std::get_if<CallbackAnswer::Tag>(&step)) {
      context.SetTags(tag->connection, tag->tags);
    } else if (const auto* const alarm = std::get_if<CallbackAnswer::Alarm>(&step)) {
      if (alarm->in_ms || alarm->at_ms) {
        context.SetAlarm(alarm->in_ms ? context.now_ms() + *alarm->in_ms : *alarm->at_ms);
      } else {
        context.DeleteAlarm();
      }
    } else {
      Do(context, std::get<api::Command>(step), &closed);
    }
  }
  EndBatch(context, closed);
  return true;
}

void CallbackHub::Do(Context& context, const api::Command& command, std::set<ConnectionId>* closed) {
  if (command.has_send()) {
    const api::Send& send = command.send();
    if (send.to_case() == api::Send::kTag) return context.Broadcast(FrameOf(send.data()), send.tag());
    return context.Send(*ConnectionId::Parse(send.connection()), FrameOf(send.data()));
  }
  if (command.has_broadcast()) {
    const api::Broadcast& to = command.broadcast();
    const auto except = ConnectionId::Parse(to.except());
    // Who was not answered yet may be refused, and is not to hear what others do. Those of this batch have been.
    std::set<ConnectionId> strangers;
    context.List(kPendingRows, [&](std::string_view row, std::string_view) {
      if (const auto id = ConnectionId::Parse(row.substr(kPendingRows.size()))) strangers.insert(*id);
      return true;
    });
    context.List({.prefix = kEventRows, .start = EventRow(outbox_.first), .end = EventRow(outbox_.batch_end)},
                 [&](std::string_view, std::string_view text) {
                   const JsonObject event(text);
                   if (TypeOf(event) == "connect")
                     strangers.erase(ConnectionOf(event).value_or(ConnectionId{}));
                   return true;
                 });
    if (strangers.empty()) return context.Broadcast(FrameOf(to.data()), {}, except);
    std::vector<Context::HeadedRecipient> recipients;
    for (const ConnectionId& id : context.Connections()) {
      if (id != except && !strangers.contains(id)) recipients.push_back({id, ""});
    }
    return context.SendEach(recipients, FrameOf(to.data()));
  }
  const api::Disconnect& how = command.disconnect();
  if (how.whom_case() == api::Disconnect::kConnection)
    return CloseEach(context, {*ConnectionId::Parse(how.connection())}, how, closed);
  CloseEach(context, context.Connections(how.tag()), how, closed);
}

void CallbackHub::CloseEach(Context& context, const std::vector<ConnectionId>& connections,
                            const api::Disconnect& how, std::set<ConnectionId>* closed) {
  for (const ConnectionId& id : connections) {
    context.Close(id, static_cast<uint16_t>(how.code()), how.reason());
    Forget(context, id);
    closed->insert(id);
  }
}

void CallbackHub::EndBatch(Context& context, const std::set<ConnectionId>& closed) {
  std::vector<std::string> gone;
  std::set<ConnectionId> answered;  // of its connects
  std::set<ConnectionId> refused;   // of those
  context.List({.prefix = kEventRows, .start = EventRow(outbox_.first)},
               [&](std::string_view row, std::string_view text) {
                 const JsonObject event(text);
                 const auto id = ConnectionOf(event);
                 const bool in_batch = NumberOf(row) < outbox_.batch_end;
                 if (in_batch && id && TypeOf(event) == "connect") {
                   answered.insert(*id);
                   if (closed.contains(*id)) refused.insert(*id);
                 }
                 // What a socket that is refused has said meanwhile is nobody's business.
                 if (in_batch || (id && refused.contains(*id))) {
                   gone.emplace_back(row);
                   outbox_.bytes -= std::min<uint64_t>(outbox_.bytes, text.size());
                 }
                 return in_batch || !refused.empty();
               });
  for (const std::string& row : gone) context.Delete(row);
  for (const ConnectionId& id : answered) context.Delete(PendingRow(id));
  outbox_.first = outbox_.batch_end;
  outbox_.batch_end = 0;
  outbox_.attempts = 0;
  outbox_.not_before_ms = 0;
  outbox_.reported = 0;
  bool any = false;
  context.List({.prefix = kEventRows, .start = EventRow(outbox_.first), .limit = 1},
               [&](std::string_view row, std::string_view) {
                 outbox_.first = NumberOf(row);
                 return any = true;
               });
  if (!any) outbox_.first = outbox_.next;
  context.DeleteTimer(kTimer);  // the next batch has a time of its own
  Save(context);
}

void CallbackHub::GiveUp(Context& context) {
  posting_ = false;
  context.port()->Hold(false);
  std::vector<uint64_t> gone;
  std::set<ConnectionId> told;
  uint64_t kept = 0;
  context.List({.prefix = kEventRows, .start = EventRow(outbox_.first)},
               [&](std::string_view row, std::string_view text) {
                 const JsonObject event(text);
                 const std::string type = TypeOf(event);
                 if (type == "connect" || type == "message") {
                   gone.push_back(NumberOf(row));
                   told.insert(ConnectionOf(event).value_or(ConnectionId{}));
                   outbox_.bytes -= std::min<uint64_t>(outbox_.bytes, text.size());
                 } else {
                   kept = kept == 0 ? NumberOf(row) : kept;
                 }
                 return true;
               });
  for (const uint64_t number : gone) context.Delete(EventRow(number));
  outbox_.first = kept == 0 ? outbox_.next : kept;
  outbox_.batch_end = 0;
  outbox_.attempts = 0;
  outbox_.missed += std::exchange(outbox_.reported, 0);
  outbox_.not_before_ms = context.now_ms() + kAfterGivingUpMs;
  for (const ConnectionId& id : told) {
    Forget(context, id);
    if (!context.FindConnection(id)) continue;  // its end is an event that is kept
    context.Close(id, kNotNow, kUnavailable);
    AddDisconnect(context, id, kNotNow, kUnavailable, false);
  }
  if (outbox_.empty()) outbox_.not_before_ms = 0;
  context.DeleteTimer(kTimer);
  if (!outbox_.empty()) context.SetTimer(kTimer, outbox_.not_before_ms);
  Save(context);
  if (CallbackMetrics* const metrics = endpoint_->metrics)
    metrics->given_up.Increment(static_cast<double>(gone.size()));
  if (uint64_t left_out = 0; !gone.empty() && endpoint_->log.Take(&left_out)) {
    const std::string hub = fmt::format("{}/{}", context.hub_class(), context.hub_name());
    const LogAbout about({.hub = hub});
    SPDLOG_WARN("{} events are given up, and {} sockets closed for it: no callback has delivered them",
                gone.size(), told.size());
  }
}

}  // namespace dormouse
