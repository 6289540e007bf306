#include "statekeeper/classes/worker/worker_hub.h"

#include <stdexcept>
#include <vector>

namespace dormouse {
namespace {

// Of a hub's rows, so much goes along with its wake.
constexpr size_t kWakeBytes = 64u << 10;
constexpr size_t kReadBytes = 4u << 20;

void Copy(const Connection& connection, worker::Socket* socket) {
  socket->set_connection(connection.id.ToBytes());
  socket->set_connected_ms(connection.connected_ms);
  socket->set_attachment(connection.attachment);
  for (const std::string& tag : connection.tags) socket->add_tags(tag);
}

// A worker that says otherwise is not to be understood.
ConnectionId IdOf(const std::string& bytes) {
  const auto id = ConnectionId::FromBytes(bytes);
  if (!id) throw std::invalid_argument("a worker names a connection that cannot be one");
  return *id;
}

void DeletePrefix(Context& context, const std::string& prefix) {
  std::vector<std::string> keys;
  context.List(prefix, [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return true;
  });
  for (const std::string& key : keys) context.Delete(key);
}

void Apply(Context& context, const worker::Effect& effect) {
  switch (effect.kind_case()) {
    case worker::Effect::kSend:
      return context.Send(IdOf(effect.send().connection()),
                          {.data = effect.send().data(), .binary = effect.send().binary()});
    case worker::Effect::kBroadcast: {
      const worker::Broadcast& to = effect.broadcast();
      return context.Broadcast({.data = to.data(), .binary = to.binary()}, to.tag(),
                               to.except().empty() ? std::nullopt : std::optional(IdOf(to.except())));
    }
    case worker::Effect::kClose:
      return context.Close(IdOf(effect.close().connection()), static_cast<uint16_t>(effect.close().code()),
                           effect.close().reason());
    case worker::Effect::kPut:
      return context.Put(effect.put().key(), effect.put().value());
    case worker::Effect::kDelete:
      return context.Delete(effect.delete_());
    case worker::Effect::kDeletePrefix:
      return DeletePrefix(context, effect.delete_prefix());
    case worker::Effect::kAttachment:
      return context.SetAttachment(IdOf(effect.attachment().connection()), effect.attachment().attachment());
    case worker::Effect::kTags:
      return context.SetTags(IdOf(effect.tags().connection()),
                             {effect.tags().tags().begin(), effect.tags().tags().end()});
    case worker::Effect::kAdmit:
      return context.Admit(IdOf(effect.admit()));
    case worker::Effect::kAlarmMs:
      if (effect.alarm_ms() <= 0) return context.DeleteAlarm();
      return context.SetAlarm(effect.alarm_ms());
    case worker::Effect::kReply:
      return context.Reply(effect.reply());
    case worker::Effect::kAutoResponse:
      return context.SetAutoResponse(IdOf(effect.auto_response().connection()),
                                     effect.auto_response().request(), effect.auto_response().reply());
    case worker::Effect::kTimer:
      if (effect.timer().due_ms() <= 0) return context.DeleteTimer(effect.timer().name());
      return context.SetTimer(effect.timer().name(), effect.timer().due_ms());
    case worker::Effect::KIND_NOT_SET:
      return;
  }
}

}  // namespace

void ApplyEffects(Context& context, const worker::Turn& turn) {
  for (const worker::Effect& effect : turn.effects()) Apply(context, effect);
}

worker::ReadAnswer ReadRows(Context& context, const worker::Read& read) {
  worker::ReadAnswer answer;
  answer.set_object(read.object());
  answer.set_number(read.number());
  if (read.keys_size() > 0) {
    for (const std::string& key : read.keys()) {
      auto value = context.Get(key);
      if (!value) continue;
      worker::Row* const row = answer.add_rows();
      row->set_key(key);
      row->set_value(std::move(*value));
    }
    return answer;
  }
  size_t bytes = 0;
  context.List({.prefix = read.prefix(),
                .start = read.start(),
                .end = read.end(),
                .limit = read.limit(),
                .reverse = read.reverse()},
               [&](std::string_view key, std::string_view value) {
                 if (bytes >= kReadBytes) {
                   answer.set_more(true);
                   return false;
                 }
                 bytes += key.size() + value.size();
                 worker::Row* const row = answer.add_rows();
                 row->set_key(std::string(key));
                 row->set_value(std::string(value));
                 return true;
               });
  return answer;
}

WorkerHub::~WorkerHub() {
  if (object_ != 0) lane_->DropObject(object_);
}

void WorkerHub::OnWake(Context& context) {
  if (lane_ == nullptr) throw std::logic_error("the lane of this worker class has ended");
  wake_.set_hub_class(std::string(context.hub_class()));
  wake_.set_hub_name(std::string(context.hub_name()));
  for (const ConnectionId& id : context.Connections()) {
    if (const auto connection = context.FindConnection(id)) Copy(*connection, wake_.add_sockets());
  }
  size_t bytes = 0;
  wake_.set_complete(true);
  context.List("", [&](std::string_view key, std::string_view value) {
    bytes += key.size() + value.size();
    if (bytes > kWakeBytes) {
      wake_.set_complete(false);
      return false;
    }
    worker::Row* const row = wake_.add_rows();
    row->set_key(std::string(key));
    row->set_value(std::string(value));
    return true;
  });
  if (const auto alarm = context.GetAlarm()) wake_.set_alarm_ms(*alarm);
  for (const auto& [name, due_ms] : context.Timers()) {
    worker::SetTimer* const timer = wake_.add_timers();
    timer->set_name(name);
    timer->set_due_ms(due_ms);
  }
  wake_.set_max_timers(Context::kMaxTimers);
  wake_.set_max_state(context.state_room() + bytes);
  object_ = lane_->NewObject(context.port(),
                             std::string(context.hub_class()) + "/" + std::string(context.hub_name()));
}

void WorkerHub::Send(Context& context, worker::Event event, bool kept) {
  const uint64_t deferred = kept ? context.Defer() : 0;
  event.set_object(object_);
  event.set_number(++events_);
  event.set_now_ms(context.now_ms());
  if (events_ == 1) event.mutable_wake()->Swap(&wake_);
  if (context.restarts() > 0) event.set_repeated_(true);
  lane_->Send(object_, std::move(event), deferred, context.restarts());
}

void WorkerHub::OnConnect(Context& context, const Connection& connection, const link::OpenRequest& request) {
  worker::Event event;
  worker::Open* const open = event.mutable_open();
  open->set_connection(connection.id.ToBytes());
  open->set_path(request.path());
  open->set_query(request.query());
  open->set_remote_address(request.remote_address());
  open->set_subprotocol(request.subprotocol());
  open->set_reservation(request.reservation());
  for (const link::OpenRequest::Header& header : request.headers()) {
    worker::Open::Header* const copy = open->add_headers();
    copy->set_name(header.name());
    copy->set_value(header.value());
  }
  if (request.has_identity()) open->set_identity(request.identity().SerializeAsString());
  context.Admit(connection.id);
  Send(context, std::move(event), true);
}

void WorkerHub::OnMessage(Context& context, const Connection& from, const Message& message) {
  worker::Event event;
  worker::Message* const copy = event.mutable_message();
  copy->set_connection(from.id.ToBytes());
  copy->set_data(std::string(message.data));
  copy->set_binary(message.binary);
  copy->set_received_ms(message.received_ms);
  event.set_repeated_(message.repeated);
  Send(context, std::move(event), true);
}

void WorkerHub::OnClose(Context& context, const Connection& connection, const CloseInfo& close) {
  worker::Event event;
  worker::Close* const copy = event.mutable_close();
  copy->set_connection(connection.id.ToBytes());
  copy->set_code(close.code);
  copy->set_reason(std::string(close.reason));
  copy->set_by_client(close.by_client);
  Copy(connection, copy->mutable_socket());
  Send(context, std::move(event), context.may_defer());
}

void WorkerHub::OnAlarm(Context& context) {
  worker::Event event;
  event.mutable_alarm()->set_attempt(context.alarm_failures());
  Send(context, std::move(event), true);
}

void WorkerHub::OnTimer(Context& context, std::string_view name) {
  worker::Event event;
  event.mutable_timer()->set_name(std::string(name));
  event.mutable_timer()->set_attempt(context.alarm_failures());
  Send(context, std::move(event), true);
}

void WorkerHub::OnRequest(Context& context, std::string_view payload) {
  worker::Event event;
  event.mutable_request()->set_payload(std::string(payload));
  Send(context, std::move(event), true);
}

void WorkerHub::OnBackpressure(Context& context, const Connection& connection, bool paused,
                               const Backlog& backlog) {
  worker::Event event;
  worker::Backpressure* const copy = event.mutable_backpressure();
  copy->set_connection(connection.id.ToBytes());
  copy->set_paused(paused);
  copy->set_bytes(backlog.bytes);
  Send(context, std::move(event), true);
}

}  // namespace dormouse
