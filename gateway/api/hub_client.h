// Asks hubs, by way of any statekeeper that can be reached: it finds the hub's owner (statekeeper/calls/hub_api.h).
//
//   Ask -> a statekeeper that is connected -> Done
//          none is: a moment later, until the time is over
//          it ends meanwhile: another one, where that can do no harm (an idempotency key, or nothing is changed)
//
// Threading: the loop's thread; calls are carried by a completion thread of its own.
#pragma once

#include <ev.h>
#include <grpcpp/client_context.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/loop/task_queue.h"
#include "common/rpc/completion_thread.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/link_credentials.h"
#include "proto/api.grpc.pb.h"

namespace dormouse {

class HubClient {
 public:
  // `statekeepers`: HOST:PORT, unix:SOCKET or unix:DIRECTORY. `credentials`: for HOST:PORT; nullptr: none.
  HubClient(std::vector<std::string> statekeepers, std::shared_ptr<const LinkCredentials> credentials,
            struct ev_loop* loop);
  // Nobody is told any more.
  ~HubClient();
  HubClient(const HubClient&) = delete;
  HubClient& operator=(const HubClient&) = delete;

  // On the loop's thread, once, within the request's timeout and a moment; not within Ask.
  using Done = std::function<void(const api::Reply& reply)>;
  void Ask(api::Request request, Done done);

 private:
  struct Question {
    std::shared_ptr<const api::Request> request;
    int64_t until_ms = 0;  // SteadyMs
    Done done;
  };

  void FindTargets();
  // One that is connected, each in its turn; nullptr: there is none. All others are being connected to.
  const LinkChannel* NextChannel();
  // False: there is no way now.
  bool Send(const Question& question);
  void OnAnswer(Question question, const grpc::Status& status, const api::Reply& reply);
  void OnTick();
  static void Fail(const Question& question, api::Error::Code code, const std::string& message, bool unknown);

  const std::vector<std::string> statekeepers_;
  const std::shared_ptr<const LinkCredentials> credentials_;
  struct ev_loop* const loop_;
  TaskQueue answers_;  // from the completion thread
  std::mutex calls_mutex_;
  std::set<grpc::ClientContext*> calls_;  // calls_mutex_; under way
  std::map<std::string, LinkTarget> targets_;
  std::string last_;  // that was asked
  int64_t looked_ms_ = 0;
  std::string trouble_;
  std::deque<Question> waiting_;  // for a way
  ev_timer tick_;
  CompletionThread thread_;  // its end is the first
};

}  // namespace dormouse
