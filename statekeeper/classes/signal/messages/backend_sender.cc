#include "statekeeper/classes/signal/messages/backend_sender.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/messages/message_table.h"
#include "statekeeper/classes/signal/protocol/envelope.h"

namespace dormouse::signal {
namespace {

// What is not about the sender's own session.
constexpr std::string_view kMaySay[] = {"hub:broadcast", "hub:discover",    "hub:list_actors", "hub:metrics",
                                        "hub:publish",   "hub:queue_stats", "hub:send"};

// No gateway has it.
constexpr ConnectionId kNobody{};

// The handler's context, in which the sender is nobody's connection: what is sent to it is caught.
class CatchingContext final : public Context {
 public:
  explicit CatchingContext(Context& context) : context_(context) {}

  std::vector<std::string> TakeFrames() { return std::move(frames_); }

  std::string_view hub_class() const override { return context_.hub_class(); }
  std::string_view hub_name() const override { return context_.hub_name(); }
  int64_t now_ms() const override { return context_.now_ms(); }
  void Send(const ConnectionId& to, const Message& message) override {
    if (to != kNobody) return context_.Send(to, message);
    frames_.emplace_back(message.data);
  }
  void SendEach(std::span<const HeadedRecipient> recipients, const Message& shared) override {
    context_.SendEach(recipients, shared);
  }
  void Broadcast(const Message& message, std::string_view tag,
                 const std::optional<ConnectionId>& except) override {
    context_.Broadcast(message, tag, except);
  }
  void Close(const ConnectionId& connection, uint16_t code, std::string_view reason) override {
    if (connection != kNobody) context_.Close(connection, code, reason);
  }
  void Recall(const ConnectionId& closed) override { context_.Recall(closed); }
  void Confirm(const ConnectionId& open) override { context_.Confirm(open); }
  void AskLastSeen(std::span<const ConnectionId> open) override { context_.AskLastSeen(open); }
  void DoNotStayAwake() override { context_.DoNotStayAwake(); }
  void Admit(const ConnectionId& connection, std::string_view role) override {
    if (connection != kNobody) context_.Admit(connection, role);
  }
  size_t waiting_events() const override { return context_.waiting_events(); }
  size_t connection_count() override { return context_.connection_count(); }
  std::optional<Connection> FindConnection(const ConnectionId& id) override {
    return context_.FindConnection(id);
  }
  std::vector<ConnectionId> Connections(std::string_view tag) override { return context_.Connections(tag); }
  void SetAttachment(const ConnectionId& id, std::string_view attachment) override {
    if (id != kNobody) context_.SetAttachment(id, attachment);
  }
  void SetTags(const ConnectionId& id, std::vector<std::string> tags) override {
    context_.SetTags(id, std::move(tags));
  }
  uint64_t state_room() const override { return context_.state_room(); }
  std::optional<std::string> Get(std::string_view key) override { return context_.Get(key); }
  void Put(std::string_view key, std::string_view value) override { context_.Put(key, value); }
  void Delete(std::string_view key) override { context_.Delete(key); }
  void List(std::string_view prefix, const std::function<bool(std::string_view, std::string_view)>& visit,
            std::string_view start) override {
    context_.List(prefix, visit, start);
  }
  void SetAlarm(int64_t due_ms) override { context_.SetAlarm(due_ms); }
  std::optional<int64_t> GetAlarm() override { return context_.GetAlarm(); }
  void DeleteAlarm() override { context_.DeleteAlarm(); }
  void SetTimer(std::string_view name, int64_t due_ms) override { context_.SetTimer(name, due_ms); }
  std::optional<int64_t> GetTimer(std::string_view name) override { return context_.GetTimer(name); }
  void DeleteTimer(std::string_view name) override { context_.DeleteTimer(name); }
  std::vector<std::pair<std::string, int64_t>> Timers() override { return context_.Timers(); }
  void Yield() override { context_.Yield(); }
  std::chrono::microseconds time_used() const override { return context_.time_used(); }

 private:
  Context& context_;
  std::vector<std::string> frames_;
};

std::string FrameOf(const BackendSender::Said& said) {
  JsonWriter frame;
  frame.String("id", NewUuid())
      .String("type", said.type)
      .String("from", said.from.empty() ? kBackendAddress : said.from)
      .String("to", said.to.empty() ? kHubAddress : said.to)
      .String("pattern", "ask")
      .Raw("payload", said.payload);
  if (!said.metadata.empty()) frame.Raw("metadata", said.metadata);
  return frame.Finish();
}

}  // namespace

std::optional<BackendSender::Answer> BackendSender::Say(const Said& said, std::string* refused) {
  if (Envelope::IsHubType(said.type) && std::ranges::find(kMaySay, said.type) == std::end(kMaySay)) {
    *refused = "A backend has no session, so \"" + std::string(said.type) + "\" is not for it; it can send:";
    for (const std::string_view type : kMaySay) refused->append(" ").append(type);
    *refused += ", and application types with \"to\".";
    return std::nullopt;
  }
  const std::string frame = FrameOf(said);
  Envelope request;
  if (const std::string_view wrong = ParseEnvelope(frame, &request); !wrong.empty()) {
    *refused = wrong;
    return std::nullopt;
  }
  CatchingContext catching(context_);
  Connection nobody;
  nobody.id = kNobody;
  nobody.connected_ms = nobody.last_seen_ms = context_.now_ms();
  Message message = Message::Text(frame);
  message.received_ms = context_.now_ms();
  // Without an authority: it needs no token.
  Call call(catching, nobody, message, request, {parts_.options, nullptr, parts_.memory});
  if (!call.type->is_activity) context_.DoNotStayAwake();
  call.type->handler(call);
  // What comes before the answer is of who does not keep up.
  const std::vector<std::string> frames = catching.TakeFrames();
  if (frames.empty()) return Answer{};
  const JsonObject said_back(frames.back());
  return Answer{JsonString(said_back.Find("type")).value_or(""), std::string(said_back.Find("payload"))};
}

}  // namespace dormouse::signal
