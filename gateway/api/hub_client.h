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
  struct Answer {
    Question question;
    grpc::Status status;
    api::Reply reply;
  };
  // What the completion thread has for the loop: outlives the client as long as calls are under way.
  struct Inbox {
    std::mutex mutex;
    std::vector<Answer> answers;           // mutex
    std::set<grpc::ClientContext*> calls;  // mutex; under way
    struct ev_loop* loop = nullptr;        // mutex; nullptr: the client is gone
    ev_async wake;
  };

  void FindTargets();
  // One that is connected, each in its turn; nullptr: there is none. All others are being connected to.
  const LinkChannel* NextChannel();
  // False: there is no way now.
  bool Send(const Question& question);
  void OnAnswers();
  void OnAnswer(Answer answer);
  void OnTick();
  static void Fail(const Question& question, api::Error::Code code, const std::string& message, bool unknown);

  const std::vector<std::string> statekeepers_;
  const std::shared_ptr<const LinkCredentials> credentials_;
  struct ev_loop* const loop_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::map<std::string, LinkTarget> targets_;
  std::string last_;  // that was asked
  int64_t looked_ms_ = 0;
  std::string trouble_;
  std::deque<Question> waiting_;  // for a way
  ev_timer tick_;
  CompletionThread thread_;  // its end is the first
};

}  // namespace dormouse
