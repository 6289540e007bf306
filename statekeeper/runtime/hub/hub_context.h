// The Context that one run of a handler gets: reads and writes go to the hub's state, sends are collected.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/tracing/tracer.h"
#include "statekeeper/hub/hub.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/hub/handler_clock.h"
#include "statekeeper/runtime/hub/hub_limits.h"
#include "statekeeper/runtime/hub/hub_request.h"
#include "statekeeper/runtime/hub/hub_state.h"

namespace dormouse {

class HubContext : public Context {
 public:
  enum class Access { kReadWrite, kReadOnly };
  // What all contexts of one hub have in common; outlives them.
  struct Surroundings {
    std::string_view hub;  // "CLASS/NAME"
    HubState* state;
    HandlerClock* clock;
    std::function<size_t()> waiting_events;
    const HubLimits* limits;  // between two calls they may change
    std::function<void(const std::vector<ConnectionId>&, const GatewayLinks::Answered&)> ask_answer_times;
  };

  HubContext(const Surroundings& hub, int64_t now_ms, Access access)
      : hub_(hub), now_ms_(now_ms), access_(access) {}

  std::vector<Output> TakeOutputs() { return std::move(outputs_); }
  // The limit that the handler went beyond: it does not count then, though it may have caught what was
  // thrown.
  std::optional<Hub::Failure> over_limit() const { return over_limit_; }
  // Whether the event counts as the hub's activity.
  bool stays_awake() const { return stays_awake_; }
  // What OnFailure is told.
  void set_retry_after_ms(int64_t ms) { retry_after_ms_ = ms; }

  // What is to be done once the event's writes are durable.
  struct Sequel {
    // Questions to gateways.
    std::vector<ConnectionId> recalls;
    std::vector<ConnectionId> confirms;
    std::optional<std::string> reply;  // to whoever calls the hub
    std::string failure;               // the same, where there is no reply
    std::function<void()> durable;     // of HubPort::Resumption
    std::unique_ptr<OpenSpan> span;    // ends then; nullptr: the event is not traced
    int64_t handled_ns = 0;            // then: when its handler had ended
  };
  Sequel TakeSequel() { return std::move(sequel_); }

  // --- Calls of other hubs. Carries one out (AwakeHub); of a context without it nobody can be called.
  using OutgoingCall = std::function<CallAnswer(std::string hub, std::string_view payload,
                                                std::chrono::milliseconds deadline)>;
  void MayCall(OutgoingCall call) { call_ = std::move(call); }
  // From here on what was written cannot be taken back.
  void set_has_called() { has_called_ = true; }
  bool has_called() const { return has_called_; }
  // A handler that has called does not count, but what it has written before does: so do the sockets that it has closed.
  std::vector<Output> TakeCloses();

  // --- Events that are deferred (hub_port.h).
  // The next number for one. Of a context without it none can be.
  void MayDefer(std::function<uint64_t()> number) { next_number_ = std::move(number); }
  // The event's; 0: it was not deferred.
  uint64_t deferred_as() const { return deferred_as_; }
  void set_port(std::shared_ptr<HubPort> port) { port_ = std::move(port); }
  void set_restarts(uint32_t restarts) { restarts_ = restarts; }
  void set_failure(std::string failure) { sequel_.failure = std::move(failure); }
  void set_durable(std::function<void()> durable) { sequel_.durable = std::move(durable); }
  void set_span(std::unique_ptr<OpenSpan> span) { sequel_.span = std::move(span); }
  OpenSpan* span() const { return sequel_.span.get(); }
  std::unique_ptr<OpenSpan> TakeSpan() { return std::move(sequel_.span); }
  // What was said with Reply.
  const std::optional<std::string>& reply() const { return sequel_.reply; }
  // The deferred request that is finished with this resumption; nullptr: none is.
  void set_finishing(const HubRequest* request) { finishing_ = request; }
  const HubRequest* finishing() const { return finishing_; }

  // During OnAlarm or OnTimer the timer that is running (without a name: the alarm) counts as gone, and what the handler
  // sets it to takes effect only when the run as a whole is done: it is kept here.
  void RunTimer(std::string name) { running_ = {.name = std::move(name)}; }
  // When it is to run next, 0: never. Nothing: none is running.
  std::optional<int64_t> next_of_running_timer() const {
    return running_ ? std::optional(running_->next_ms) : std::nullopt;
  }
  // Whether the handler has set or deleted it, running or not.
  bool HasChangedTimer(const std::string& name) const { return changed_timers_.contains(name); }

  // Closes a socket that is not among the hub's connections.
  void CloseUnknown(const ConnectionId& connection, uint16_t code, std::string_view reason);

  // Asks a gateway whether exactly these are its open sockets of the hub.
  void CallRoll(GatewayId gateway, const std::vector<ConnectionId>& believed);

  std::string_view hub_class() const override { return HubClassOf(hub_.hub); }
  std::string_view hub_name() const override { return HubNameOf(hub_.hub); }
  int64_t now_ms() const override { return now_ms_; }

  void Send(const ConnectionId& to, const Message& message) override;
  void SendEach(std::span<const HeadedRecipient> recipients, const Message& shared) override;
  void Broadcast(const Message& message, std::string_view tag,
                 const std::optional<ConnectionId>& except) override;
  void Close(const ConnectionId& connection, uint16_t code, std::string_view reason) override;

  void Recall(const ConnectionId& closed) override;
  void Confirm(const ConnectionId& open) override;
  void AskLastSeen(std::span<const ConnectionId> open) override;
  void AskAnswerTimes(const std::vector<ConnectionId>& open, const Answered& done) override {
    hub_.ask_answer_times(open, done);
  }
  void DoNotStayAwake() override { stays_awake_ = false; }
  void Admit(const ConnectionId& connection, std::string_view role) override;
  void SetAutoResponse(const ConnectionId& connection, std::string_view request,
                       std::string_view reply) override;
  size_t waiting_events() const override { return hub_.waiting_events(); }

  size_t connection_count() override { return hub_.state->connection_count(); }
  std::optional<Connection> FindConnection(const ConnectionId& id) override;
  std::vector<ConnectionId> Connections(std::string_view tag) override;
  void SetAttachment(const ConnectionId& id, std::string_view attachment) override;
  void SetTags(const ConnectionId& id, std::vector<std::string> tags) override;

  uint64_t state_room() const override { return hub_.state->RoomFor(hub_.limits->max_state); }
  std::optional<std::string> Get(std::string_view key) override;
  void Put(std::string_view key, std::string_view value) override;
  void Delete(std::string_view key) override;
  using Context::List;
  void List(std::string_view prefix, const Visit& visit, std::string_view start) override;

  void SetAlarm(int64_t due_ms) override;
  std::optional<int64_t> GetAlarm() override { return FindTimer(""); }
  void DeleteAlarm() override { ChangeTimer("", 0); }
  void SetTimer(std::string_view name, int64_t due_ms) override;
  std::optional<int64_t> GetTimer(std::string_view name) override;
  void DeleteTimer(std::string_view name) override;
  std::vector<std::pair<std::string, int64_t>> Timers() override;

  CallAnswer Call(std::string_view hub_class, std::string_view hub_name, std::string_view payload,
                  std::chrono::milliseconds deadline) override;

  uint64_t Defer() override;
  bool may_defer() const override { return next_number_ != nullptr; }
  std::shared_ptr<HubPort> port() override { return port_; }
  uint32_t restarts() const override { return restarts_; }
  uint32_t alarm_failures() const override {
    return hub_.state->TimerFailures(running_ ? running_->name : "");
  }
  void Reply(std::string_view payload) override { sequel_.reply = std::string(payload); }

  void Yield() override { Safepoint(); }
  std::chrono::microseconds time_used() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(hub_.clock->used());
  }
  int64_t retry_after_ms() const override { return retry_after_ms_; }

 private:
  void CheckWritable() const;
  // At every call that sends, reads or writes: whether the handler may go on, and whether others get a turn.
  void Safepoint();
  // Runs what may find that the handler went too far.
  template <typename Step>
  auto Limited(const Step& step);
  [[noreturn]] void Refuse(Hub::Failure limit);
  // Before anything of it is built.
  void CountOutput(uint64_t recipients, uint64_t bytes_each, uint64_t bytes_of_heads);
  void CountChange(uint64_t bytes);
  void ChangeTimer(std::string_view name, int64_t due_ms);
  std::optional<int64_t> FindTimer(std::string_view name) const;

  void Push(const Message& message, std::vector<Output::To> to, bool has_heads);

  const Surroundings& hub_;
  const int64_t now_ms_;
  const Access access_;
  std::vector<Output> outputs_;
  Sequel sequel_;
  std::function<uint64_t()> next_number_;
  uint64_t deferred_as_ = 0;
  const HubRequest* finishing_ = nullptr;
  std::shared_ptr<HubPort> port_;
  uint32_t restarts_ = 0;
  struct RunningTimer {
    std::string name;
    int64_t next_ms = 0;
  };
  std::optional<RunningTimer> running_;
  std::set<std::string> changed_timers_;
  OutgoingCall call_;
  bool has_called_ = false;
  bool stays_awake_ = true;
  uint64_t output_bytes_ = 0;
  uint64_t changed_bytes_ = 0;
  std::optional<Hub::Failure> over_limit_;
  int64_t retry_after_ms_ = 0;
};

}  // namespace dormouse
