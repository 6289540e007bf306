// A hub without code here: its events are posted to an operator's endpoint, and what that answers is done
// (clients/webhooks.md).
//
//   event --> row of the outbox, durable: the event is settled
//   outbox --> batch: its number is durable --> CallbackSender --> answer --> its commands, and the batch's end, as one
//
// So no event waits at a gateway, and no fiber, while an endpoint does. A batch's number and events are in the store
// before it is posted, and go with the commit of what it was answered with: so a crash repeats it with the same id and
// body, or not at all. A named timer stands while the outbox is not empty: it wakes the hub for the next try. Between two
// tries the hub may sleep. While a request is under way the timer is a lease, a second long and renewed for as long as
// somebody waits for the answer: the next owner finds it due, and posts the batch again at once. A request of a hub
// whose object was lost in a process that goes on is not made again: the next object gets its answer.
//
// One lane's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/loop/task_queue.h"
#include "statekeeper/classes/callback/callback_answer.h"
#include "statekeeper/classes/callback/callback_sender.h"
#include "statekeeper/hub/hub.h"

namespace dormouse {

class CallbackHub : public Hub {
 public:
  static constexpr size_t kMaxState = 64u << 10;  // bytes of keys and values
  static constexpr size_t kMaxKeys = 100;

  // `lane`: runs what answers bring; nullptr: the lane has ended.
  CallbackHub(std::shared_ptr<CallbackEndpoint> endpoint, std::shared_ptr<CallbackSender> sender,
              std::shared_ptr<TaskQueue> lane);

  void OnConnect(Context& context, const Connection& connection, const link::OpenRequest& request) override;
  void OnMessage(Context& context, const Connection& from, const Message& message) override;
  void OnClose(Context& context, const Connection& connection, const CloseInfo& close) override;
  void OnAlarm(Context& context) override;
  void OnTimer(Context& context, std::string_view name) override;
  std::vector<std::pair<std::string, int64_t>> Describe(Context& context) override;

 private:
  // The row that says what waits. Events have numbers; what waits is [first, next), some of which may be gone.
  struct Outbox {
    uint64_t first = 1;
    uint64_t next = 1;
    uint64_t bytes = 0;
    uint64_t batch_end = 0;  // [first, batch_end) is the batch; 0: there is none
    uint64_t number = 0;     // of the batch, larger than all before
    int64_t since_ms = 0;    // its first request
    uint32_t attempts = 0;   // requests
    int64_t not_before_ms = 0;
    uint64_t missed = 0;    // disconnects for which there was no room
    uint64_t reported = 0;  // of them those that the batch says

    bool empty() const { return first == next; }
    std::string Print() const;
    static Outbox Parse(const std::string& text);
  };

  void Load(Context& context);
  void Save(Context& context);
  bool IsFull() const;
  // Whether a new socket has no chance, and is told so.
  bool IsHopeless() const;
  void Refuse(Context& context, const ConnectionId& connection, std::string_view why);
  // `urgent`: a client waits for what becomes of it.
  void Add(Context& context, const std::string& event, bool urgent);
  // False: it was accepted before, and this is its repetition.
  bool Accept(Context& context, const Connection& from, const Message& message);
  // The connection is closed, or is being closed.
  void Forget(Context& context, const ConnectionId& connection);
  void AddDisconnect(Context& context, const ConnectionId& connection, uint16_t code, std::string_view reason,
                     bool by_client);
  // So that this object, or the next one, looks after what waits.
  void RenewLease(Context& context);
  // Posts the next batch, unless one is under way, or its time has not come.
  void PostSoon(Context& context);
  void FormBatch(Context& context);
  std::string BodyOf(Context& context);
  void Send(std::string id, std::string body, std::shared_ptr<HubPort> port);
  void OnResult(Context& context, const CallbackSender::Result& result);
  void Fail(Context& context, CallbackFailure why, std::string_view more);
  // Whether the answer was carried out. Else `*wrong` says why, and nothing was.
  bool Apply(Context& context, const CallbackAnswer& answer, std::string* wrong);
  void Do(Context& context, const api::Command& command, std::set<ConnectionId>* closed);
  void CloseEach(Context& context, const std::vector<ConnectionId>& connections, const api::Disconnect& how,
                 std::set<ConnectionId>* closed);
  // The batch is done with. `closed`: of its connects those that are refused.
  void EndBatch(Context& context, const std::set<ConnectionId>& closed);
  // No more tries: the sockets whose connect or message waits are closed; what has no client is kept.
  void GiveUp(Context& context);

  const std::shared_ptr<CallbackEndpoint> endpoint_;
  const std::shared_ptr<CallbackSender> sender_;
  const std::shared_ptr<TaskQueue> lane_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // this object
  bool loaded_ = false;
  bool posting_ = false;
  Outbox outbox_;
};

}  // namespace dormouse
