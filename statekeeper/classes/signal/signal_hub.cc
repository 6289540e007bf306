#include "statekeeper/classes/signal/signal_hub.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/delivery/flow_control.h"
#include "statekeeper/classes/signal/delivery/mailbox.h"
#include "statekeeper/classes/signal/edge_profile.h"
#include "statekeeper/classes/signal/messages/authentication.h"
#include "statekeeper/classes/signal/messages/backend_sender.h"
#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/messages/message_table.h"
#include "statekeeper/classes/signal/messages/permissions.h"
#include "statekeeper/classes/signal/registry/registry.h"
#include "statekeeper/classes/signal/registry/subscriptions.h"
#include "statekeeper/classes/signal/sessions/hand_over.h"
#include "statekeeper/classes/signal/sessions/mail_inheritance.h"
#include "statekeeper/classes/signal/sessions/resumption.h"
#include "statekeeper/classes/signal/sessions/returned_mail.h"
#include "statekeeper/classes/signal/sessions/session_events.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/classes/signal/state/deadlines.h"

namespace dormouse::signal {
namespace {

// Rows, roughly, that one run of the alarm removes: a mass expiry does not hold up the hub's messages.
constexpr size_t kRowsPerAlarm = 256;

std::string KnownTypes() {
  std::string names;
  for (const MessageType& type : MessageTypes()) names.append(names.empty() ? "" : ", ").append(type.type);
  return names;
}

bool IsExpired(const Call& call) {
  const Envelope& request = call.request;
  return !(call.type != nullptr && call.type->begins_session) && request.ttl_ms.has_value() &&
         request.timestamp_ms.has_value() &&
         static_cast<double>(call.arrived_ms) > *request.timestamp_ms + *request.ttl_ms;
}

void FailExpired(const Call& call) {
  call.Fail({ErrorCode::kMessageExpired, "The message was older than its ttl when it arrived.", "",
             JsonWriter().Raw("ttl", call.request.ttl_json).Int("arrivedAt", call.arrived_ms).Finish()});
}

// What an option that ends with a number of bytes has done.
HubError TooMuch(std::string_view code, uint64_t limit, std::string message, std::string resolution) {
  return {ErrorCode::kMessageTooLarge, std::move(message), std::move(resolution),
          JsonWriter().Int("limit", static_cast<int64_t>(limit)).String("code", code).Finish()};
}

HubError FailureError(Hub::Failure failure, const Options& options, int64_t retry_after_ms) {
  switch (failure) {
    case Hub::Failure::kStore:
      return {ErrorCode::kTimeout, "The hub's state is out of reach."};
    case Hub::Failure::kStateFull:
      return LimitError("STATE_FULL", static_cast<int64_t>(options.max_state),
                        "This hub keeps as much as it may; nothing was changed.",
                        "Unregister and unsubscribe what is not needed, wait until registrations expire, or "
                        "use another hub.");
    case Hub::Failure::kOverBudget:
      return {ErrorCode::kTimeout, "Handling this message took longer than it may; nothing was changed.",
              "Ask for less at once: for fewer actors, or with a narrower pattern."};
    case Hub::Failure::kTooMuchOutput:
      return TooMuch("OUTPUT_LIMIT", options.max_output,
                     "This message would make the hub send more than one message may; nothing was sent.",
                     "Send less data, or to fewer recipients.");
    case Hub::Failure::kTooManyChanges:
      return TooMuch("CHANGE_LIMIT", options.max_changes,
                     "This message would make the hub write more than one message may; nothing was changed.",
                     "Send less data, or to fewer recipients.");
    case Hub::Failure::kOverAllowance:
      return CostError(options.connection_cpu.count(), retry_after_ms);
    case Hub::Failure::kPoison:
      return {ErrorCode::kInternalError,
              "This message was given up: the hub's process ended whenever it was handled."};
    case Hub::Failure::kHandler:
      break;
  }
  return {ErrorCode::kInternalError, "The hub failed to handle this message; nothing was changed."};
}

constexpr const char* kEnvelopeHint =
    R"(Send one JSON object per frame, such as {"id":"1","type":"hub:heartbeat","from":"browser/me","to":"cloudflare/signal-hub","payload":{}}.)";

}  // namespace

SignalHub::SignalHub(const Options& options, const TokenAuthority* authority, ResumeMetrics* resume_metrics)
    : options_(options), authority_(authority) {
  memory_.resume_metrics = resume_metrics;
  // The edge gives a silent socket some grace beyond the timeout; twice of that is enough for all delays.
  if (options.idle_timeout.count() > 0) memory_.heard_within_ms = 2 * options.idle_timeout.count();
}

void SignalHub::OnWake(Context& context) {
  memory_.awake_since_ms = context.now_ms();
  AbsenceTable(sessions(context)).Load();
}

void SignalHub::OnConnect(Context& context, const Connection& connection, const link::OpenRequest& request) {
  if (authority_ != nullptr && request.has_identity())
    KeepIdentity(context, connection, options_, request.identity());
}

void SignalHub::OnMessage(Context& context, const Connection& from, const Message& message) {
  memory_.throughput.Count(context.now_ms());
  ++memory_.messages_in;
  Envelope request;
  if (const std::string_view wrong = ParseEnvelope(message.data, &request); !wrong.empty()) {
    FailUnaddressed(context, from, {ErrorCode::kInternalError, std::string(wrong), kEnvelopeHint});
    return;
  }
  if (!memory_.resume.to_ask_again.empty()) Resumption(sessions(context)).AskAgain();
  const auto& successors = memory_.resume.successors;
  if (!successors.empty() && successors.contains(from.id)) {
    HandleOfSuccessor(context, from, message, request);
    return;
  }
  Call call(context, from, message, request, parts());
  // Those two are said by who may still have to hear of the next token.
  const bool asks_for_token =
      call.type != nullptr && (call.type->handler == OnHubConnect || call.type->handler == OnHubRefreshToken);
  if (!asks_for_token) Resumption(sessions(context)).EndUsedToken(from.id, &call.session);
  Handle(call);
}

// The client has asked for a session that is on its way to it.
void SignalHub::HandleOfSuccessor(Context& context, const Connection& from, const Message& message,
                                  const Envelope& request) {
  if (request.type == "hub:connect") return;  // it will be answered, once
  Call call(context, from, message, request, parts());
  if (request.type == "hub:heartbeat") {
    Handle(call);
  } else {
    call.Fail({ErrorCode::kUnauthorized, "The session of this client is still being fetched.",
               "Wait for hub:connected, then send the message again."});
  }
}

void SignalHub::Handle(Call& call) {
  const Envelope& request = call.request;
  if (IsForbidden(call)) return;
  if (IsExpired(call)) {
    FailExpired(call);
  } else if (call.type != nullptr) {
    if (!call.type->is_activity) call.context.DoNotStayAwake();
    call.type->handler(call);
  } else {
    call.Fail(
        {ErrorCode::kInternalError, "This hub does not know the type \"" + request.type + "\".",
         "Types that it answers: " + KnownTypes() + ". Application types must not begin with \"hub:\"."});
  }
}

void SignalHub::OnBackpressure(Context& context, const Connection& connection, bool paused,
                               const Backlog& backlog) {
  FlowControl(context, memory_.congestion).OnBackpressure(connection.id, paused, backlog);
}

void SignalHub::OnClose(Context& context, const Connection& connection, const CloseInfo& info) {
  memory_.failed_connects.erase(connection.id);
  FlowControl(context, memory_.congestion).OnEnd(connection.id);
  OnSocketClosed(sessions(context), connection.id, LoadSession(connection), info);
  const ConnectionId* holder = memory_.absent.HolderOf(connection.id);
  if (holder != nullptr && *holder == connection.id && !memory_.absent.HasEnded(connection.id)) {
    Registry(context, memory_).OnSocketLost(connection, options_.resume_window.count());
  }
}

void SignalHub::OnSeen(Context& context, const Connection& connection) {
  Registry(context, memory_).OnSeen(connection);
}

void SignalHub::OnAlarm(Context& context) {
  context.DoNotStayAwake();
  Deadlines deadlines(context);
  std::vector<ConnectionId> to_ask;
  size_t left = kRowsPerAlarm;
  for (const auto& [due_ms, subject] : deadlines.Due(kRowsPerAlarm)) {
    if (left == 0) break;
    deadlines.Remove(due_ms, subject);
    if (const std::optional<ConnectionId> session = Deadlines::SessionOf(subject)) {
      const size_t touched = OnSessionDeadline(sessions(context), *session, left);
      left -= std::clamp<size_t>(touched, 1, left);
      HandleWaitingRegisters(context, *session);
    } else {
      Registry(context, memory_).OnDeadline(subject, &to_ask);
      --left;
    }
  }
  if (!to_ask.empty()) context.AskLastSeen(to_ask);
  deadlines.SetAlarm();
}

void SignalHub::OnUndelivered(Context& context, const ConnectionId& closed, const Message& message) {
  ReturnedMail(sessions(context)).OnUndelivered(closed, message);
}

void SignalHub::OnLost(Context& context, const ConnectionId& closed, const Lost& lost) {
  ReturnedMail(sessions(context)).OnLost(closed, lost);
}

void SignalHub::OnRecalled(Context& context, const ConnectionId& closed) {
  Resumption(sessions(context)).OnRecalled(closed);
  HandleWaitingRegisters(context, closed);
}

void SignalHub::HandleWaitingRegisters(Context& context, const ConnectionId& holder) {
  for (const WaitingRegister& waiting : MailInheritance(sessions(context)).TakeRegisters(holder)) {
    const auto from = ConnectionId::FromBytes(waiting.connection());
    const std::optional<Connection> connection = from ? context.FindConnection(*from) : std::nullopt;
    Envelope request;
    if (!connection.has_value() || !ParseEnvelope(waiting.frame(), &request).empty()) continue;
    Message message = Message::Text(waiting.frame());
    message.received_ms = waiting.received_ms();
    Call call(context, *connection, message, request, parts());
    Handle(call);
  }
}

void SignalHub::OnConfirmed(Context& context, const ConnectionId& open) {
  HandOver(sessions(context)).OnConfirmed(open);
}

std::vector<std::pair<std::string, int64_t>> SignalHub::Describe(Context& context) {
  return {{"registrations", static_cast<int64_t>(Registry(context, memory_).row_count())},
          {"subscriptions", Subscriptions(context).CountAll()},
          {"absent_sessions", static_cast<int64_t>(memory_.absent.CountSessions())},
          {"kept_messages", static_cast<int64_t>(CountKeptMessages(context))}};
}

// --- Backends.

void SignalHub::OnRequest(Context& context, std::string_view payload) {
  const auto refuse = [&](std::string message) {
    const HubError error{ErrorCode::kInternalError, std::move(message),
                         R"(Send {"type": "hub:list_actors", "payload": {}}, for example.)"};
    context.Reply(JsonWriter().String("type", "hub:error").Raw("payload", error.ToPayload()).Finish());
  };
  if (!IsValidJson(payload) || !IsJsonObject(payload))
    return refuse("A call of this class is a JSON object.");
  const JsonObject said(payload);
  const std::string type = JsonString(said.Find("type")).value_or("");
  if (type.empty()) return refuse("The call has no \"type\".");
  const std::string from = JsonString(said.Find("from")).value_or("");
  const std::string to = JsonString(said.Find("to")).value_or("");
  const JsonSlice sent = said.Find("payload");
  std::string refused;
  const auto answer =
      BackendSender(context, parts())
          .Say({type, from, to, IsJsonNothing(sent) ? JsonSlice("{}") : sent, said.Find("metadata")},
               &refused);
  if (!answer) return refuse(refused);
  context.Reply(JsonWriter().String("type", answer->type).Raw("payload", answer->payload).Finish());
}

bool SignalHub::Deliver(Context& context, const api::Command& command, api::Sent* sent,
                        std::string* refused) {
  const bool publishes = command.has_publish();
  const bool sends = command.has_send();
  const api::Data& data = publishes ? command.publish().data()
                          : sends   ? command.send().data()
                                    : command.broadcast().data();
  const std::string& type = publishes ? command.publish().type()
                            : sends   ? command.send().type()
                                      : command.broadcast().type();
  const std::string& from = publishes ? command.publish().from()
                            : sends   ? command.send().from()
                                      : command.broadcast().from();
  if (data.has_binary())
    return *refused = "Messages of class signal are JSON: say \"data\" instead of \"base64\".", false;
  JsonWriter payload;
  payload.String("type", type).Raw("data", data.json());
  if (publishes) payload.String("topic", command.publish().topic());
  if (sends) payload.String("to", command.send().actor());
  const std::string_view message = publishes ? "hub:publish" : sends ? "hub:send" : "hub:broadcast";
  const auto answer = BackendSender(context, parts()).Say({message, from, "", payload.Finish(), ""}, refused);
  if (!answer) return false;
  const JsonObject said(answer->payload);
  if (answer->type == "hub:error") {
    *refused = JsonString(said.Find("message")).value_or("The hub has refused it.");
    if (const auto resolution = JsonString(said.Find("resolution"))) *refused += " " + *resolution;
    return false;
  }
  const auto count = [&](std::string_view name) {
    return static_cast<uint64_t>(JsonNumber(said.Find(name)).value_or(0));
  };
  if (publishes) {
    sent->set_queued(count("queued"));
    sent->set_sent(count("subscriberCount") - std::min(count("subscriberCount"), sent->queued()));
  } else if (sends) {  // hub:unknown_actor: to nobody
    sent->set_sent(said.Find("delivered") == "true" ? 1 : 0);
    sent->set_queued(said.Find("queued") == "true" ? 1 : 0);
  } else {
    sent->set_sent(count("deliveredCount"));
    sent->set_queued(count("queuedCount"));
    sent->set_failed(count("failedCount"));
  }
  return true;
}

std::optional<ConnectionId> SignalHub::FindActor(Context& context, const std::string& actor) {
  const std::optional<Address> address = Address::Parse(actor);
  if (!address) return std::nullopt;
  Registry registry(context, memory_);
  const std::optional<Registration> registration = registry.Find(address->bare);
  if (!registration || !registry.IsOnline(*registration)) return std::nullopt;
  return ConnectionOf(*registration);
}

void SignalHub::Disconnect(Context& context, const Connection& connection, uint16_t code,
                           std::string_view reason) {
  memory_.failed_connects.erase(connection.id);
  FlowControl(context, memory_.congestion).OnEnd(connection.id);
  // As if its client had ended it.
  OnSocketClosed(sessions(context), connection.id, LoadSession(connection),
                 {.code = kNormalClosure, .by_client = true, .reason = {}});
  context.Close(connection.id, code, reason);
}

void SignalHub::DescribeConnection(Context&, const Connection& connection, api::Connection* description) {
  const Session session = LoadSession(connection);
  description->set_actor(session.registered().empty() ? session.identity() : session.registered());
}

void SignalHub::OnFailure(Context& context, const Connection& from, const Message& message, Failure failure) {
  const HubError error = FailureError(failure, options_, context.retry_after_ms());
  Envelope request;
  if (ParseEnvelope(message.data, &request).empty()) {
    Call(context, from, message, request, parts()).Fail(error);
  } else {
    FailUnaddressed(context, from, error);
  }
}

namespace {

class SignalClass : public HubClass {
 public:
  SignalClass(const Options& options, const TokenAuthority* authority)
      : options_(options), authority_(authority), profile_(EdgeProfile(options)) {}
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override {
    return std::make_unique<SignalHub>(options_, authority_, resume_metrics_.get());
  }
  void UseMetrics(prometheus::Registry* registry) override {
    resume_metrics_ = std::make_unique<ResumeMetrics>(registry);
  }

 private:
  const Options options_;
  const TokenAuthority* const authority_;
  const link::ClassProfile profile_;
  std::unique_ptr<ResumeMetrics> resume_metrics_;
};

}  // namespace
}  // namespace dormouse::signal

namespace dormouse {

std::unique_ptr<HubClass> NewSignalClass(const Options& options, const TokenAuthority* authority) {
  return std::make_unique<signal::SignalClass>(options, authority);
}

}  // namespace dormouse
