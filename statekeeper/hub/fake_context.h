// A stage for testing a hub class without a runtime: everything in memory, one thread, a clock that stands
// still. It keeps the promises of hub.h that a class may lean on: a handler that throws takes back its writes
// and sends, OnFailure runs, and the Hub is made anew before the next event; a closed connection is gone at
// once; limits are enforced.
//
//   FakeContext hub(*NewEchoClass(options));
//   const ConnectionId alice = hub.ClientConnects();
//   hub.ClientSends(alice, R"({"type":"ping"})");
//   EXPECT_THAT(hub.TakeFrames(alice), ElementsAre(HasSubstr("pong")));
//   hub.Sleep();                                    // the next event finds a new Hub, state as it was
//   hub.ClientSends(alice, "...");
//
// Cost of the last event: rows_read(), rows_written(), attachments_written(). A class must outlive its
// FakeContext.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "statekeeper/hub/hub.h"

namespace dormouse {

class FakeContext : public Context {
 public:
  explicit FakeContext(const HubClass& hub_class, std::string hub_name = "default");
  ~FakeContext() override;
  FakeContext(const FakeContext&) = delete;
  FakeContext& operator=(const FakeContext&) = delete;

  // --- The clock: `kStart` at first, moved by hand only.
  static constexpr int64_t kStart = 1'700'000'000'000;
  void SetNow(int64_t now_ms) { now_ms_ = now_ms; }
  void Advance(int64_t ms) { now_ms_ += ms; }

  // --- What clients do. Each is one event of the hub, handled when the call returns.
  ConnectionId ClientConnects(const link::OpenRequest& request = {});
  void ClientSends(const ConnectionId& client, std::string_view text);
  // With the kind and, when it is not 0, the arrival time of `message`.
  void ClientSends(const ConnectionId& client, const Message& message);
  // With a close frame of the client.
  void ClientCloses(const ConnectionId& client, uint16_t code = 1000, std::string_view reason = {});
  // Without: the socket broke, or the edge closed it.
  void ConnectionBreaks(const ConnectionId& client, uint16_t code = 1006);
  void ClientFallsBehind(const ConnectionId& client, bool paused, const Backlog& backlog = {});

  // Recalls are done at once, with nothing to come back; held, they wait for FinishRecalls.
  void HoldRecalls() { hold_recalls_ = true; }
  void ReturnUndelivered(const ConnectionId& closed, std::string_view frame, bool unconfirmed = false);
  void ReturnLost(const ConnectionId& closed, const Lost& lost);
  void FinishRecalls();
  // The same with confirmations.
  void HoldConfirms() { hold_confirms_ = true; }
  void FinishConfirms();

  // The client says something that the edge answers by itself: who asks for it (AskLastSeen) is told.
  void ClientIsHeard(const ConnectionId& client) { heard_ms_[client] = now_ms_; }

  // Runs OnAlarm when the alarm is due; false: it is not. A handler that throws keeps its alarm.
  bool RunDueAlarm();
  // The same with OnTimer and the timer that is due first.
  bool RunDueTimer();
  // What Context::Call is answered with; until then all calls fail. Of "CLASS/NAME".
  using CallAnswers = std::function<CallAnswer(const std::string& hub, std::string_view payload)>;
  void AnswerCalls(CallAnswers answers) { call_answers_ = std::move(answers); }
  // What the hub says of itself, waking it if need be.
  std::vector<std::pair<std::string, int64_t>> Describe();
  // Drops the Hub, as hibernation does. The next event makes another.
  void Sleep() {
    hub_.reset();
    recalls_.clear();
    confirms_.clear();
  }
  // The next event's handler runs, then its writes "cannot be made durable", or are too much.
  void FailNextCommit(Hub::Failure why = Hub::Failure::kStore) { fail_commit_ = why; }
  // Option max-state; 0: no limit.
  void SetMaxState(uint64_t bytes) { max_state_ = bytes; }
  // What a handler uses up by reading a row.
  void SetTimePerRow(std::chrono::microseconds time) { time_per_row_ = time; }
  // What OnFailure is told.
  void SetRetryAfter(int64_t ms) { retry_after_ms_ = ms; }

  // --- What came of it.
  // The frames that went to a client and were not taken yet, oldest first.
  std::vector<std::string> TakeFrames(const ConnectionId& client);
  struct Closed {
    uint16_t code = 0;
    std::string reason;
  };
  // How the hub closed a client's socket; nothing: it did not.
  std::optional<Closed> ClosedByHub(const ConnectionId& client) const;
  const std::map<std::string, std::string>& rows() const { return rows_; }
  std::vector<std::string> KeysWithPrefix(std::string_view prefix) const;
  std::optional<int64_t> alarm() const { return alarm_ms_; }
  const std::map<std::string, int64_t>& timers() const { return timers_; }
  // Whether the hub has let the client in.
  bool Admitted(const ConnectionId& client) const { return admitted_.contains(client); }
  // The role that it has been given with that.
  const std::string& Role(const ConnectionId& client) const { return admitted_.at(client); }
  // Calls of SendEach so far: a fan-out should be few, whatever its size.
  size_t fan_outs() const { return fan_outs_; }

  // Of the last event.
  size_t rows_read() const { return rows_read_; }
  size_t rows_written() const { return rows_written_; }
  size_t attachments_written() const { return attachments_written_; }
  // Whether it counted as the hub's activity.
  bool stays_awake() const { return stays_awake_; }

  // --- Context, for the class under test.
  std::string_view hub_class() const override { return class_.profile().name(); }
  std::string_view hub_name() const override { return hub_name_; }
  int64_t now_ms() const override { return now_ms_; }
  void Send(const ConnectionId& to, const Message& message) override;
  void SendEach(std::span<const HeadedRecipient> recipients, const Message& shared) override;
  void Broadcast(const Message& message, std::string_view tag,
                 const std::optional<ConnectionId>& except) override;
  void Close(const ConnectionId& connection, uint16_t code, std::string_view reason) override;
  void Recall(const ConnectionId& closed) override;
  void Confirm(const ConnectionId& open) override;
  void AskLastSeen(std::span<const ConnectionId> open) override;
  void DoNotStayAwake() override { stays_awake_ = false; }
  void Admit(const ConnectionId& connection, std::string_view role) override;
  size_t waiting_events() const override { return 0; }
  size_t connection_count() override { return connections_.size(); }
  std::optional<Connection> FindConnection(const ConnectionId& id) override;
  std::vector<ConnectionId> Connections(std::string_view tag) override;
  void SetAttachment(const ConnectionId& id, std::string_view attachment) override;
  void SetTags(const ConnectionId& id, std::vector<std::string> tags) override;
  uint64_t state_room() const override;
  std::optional<std::string> Get(std::string_view key) override;
  void Put(std::string_view key, std::string_view value) override;
  void Delete(std::string_view key) override;
  using Context::List;
  void List(std::string_view prefix, const Visit& visit, std::string_view start) override;
  void SetAlarm(int64_t due_ms) override;
  std::optional<int64_t> GetAlarm() override { return alarm_ms_; }
  void DeleteAlarm() override;
  void SetTimer(std::string_view name, int64_t due_ms) override;
  std::optional<int64_t> GetTimer(std::string_view name) override;
  void DeleteTimer(std::string_view name) override;
  std::vector<std::pair<std::string, int64_t>> Timers() override { return {timers_.begin(), timers_.end()}; }
  CallAnswer Call(std::string_view hub_class, std::string_view hub_name, std::string_view payload,
                  std::chrono::milliseconds deadline) override;
  void Yield() override {}
  std::chrono::microseconds time_used() const override {
    return time_per_row_ * static_cast<int64_t>(rows_read_);
  }
  int64_t retry_after_ms() const override { return retry_after_ms_; }

 private:
  // Runs one handler as the runtime does: all of it or nothing. Returns why it did not count.
  std::optional<Hub::Failure> RunEvent(const std::function<void(Hub&)>& handler);
  uint64_t StateBytes() const;
  // Whether the running event made the state larger, and larger than it may be.
  bool IsStateFull() const;
  void Begin();  // of what can be taken back
  void RollBack();
  void Release();  // lets what was sent and closed take effect
  void RequireWritable() const;
  void Deliver(const ConnectionId& to, std::string frame);
  void Close(const ConnectionId& client, const CloseInfo& info);
  int64_t LastSeen(const Connection& connection) const;
  void AnswerLastSeen();

  const HubClass& class_;
  const std::string hub_name_;
  const GatewayId gateway_ = NewGatewayId();
  std::unique_ptr<Hub> hub_;
  int64_t now_ms_ = kStart;
  uint64_t next_handle_ = 1;
  uint64_t last_sequence_ = 0;
  bool writable_ = false;
  std::optional<Hub::Failure> fail_commit_;
  uint64_t max_state_ = 0;
  std::chrono::microseconds time_per_row_{0};
  int64_t retry_after_ms_ = 0;
  std::optional<ConnectionId> connecting_;  // the one that SetTags may name

  std::map<std::string, std::string> rows_;
  std::map<ConnectionId, Connection> connections_;
  std::optional<int64_t> alarm_ms_;
  std::map<std::string, int64_t> timers_;
  CallAnswers call_answers_;
  std::map<ConnectionId, std::vector<std::string>> frames_;
  std::map<ConnectionId, Closed> closed_;

  // What the running event began with, for taking it back: rows as they were, and copies of the small rest.
  std::map<std::string, std::optional<std::string>> rows_before_;
  std::map<ConnectionId, std::optional<Connection>> connections_before_;
  std::optional<int64_t> alarm_before_;
  std::map<std::string, int64_t> timers_before_;
  std::vector<std::pair<ConnectionId, std::string>> sent_;  // leave when the event counts
  std::map<ConnectionId, Closed> closing_;
  std::vector<ConnectionId> recalling_;
  std::vector<ConnectionId> confirming_;
  std::vector<ConnectionId> asking_last_seen_;
  std::map<ConnectionId, std::string> admitting_;

  std::map<ConnectionId, std::string> admitted_;  // with their roles
  std::vector<ConnectionId> recalls_;             // asked for, and not done yet
  bool hold_recalls_ = false;
  std::vector<ConnectionId> confirms_;
  bool hold_confirms_ = false;

  std::map<ConnectionId, int64_t> heard_ms_;   // last, by the edge alone
  std::vector<ConnectionId> asked_last_seen_;  // and not answered yet
  bool stays_awake_ = true;

  size_t fan_outs_ = 0;
  size_t rows_read_ = 0;
  size_t rows_written_ = 0;
  size_t attachments_written_ = 0;
};

}  // namespace dormouse
