// The other statekeepers, as calls go to them and come from them (calls.proto): what is to be sent to each waits in one
// line and leaves in batches, one at a time.
//
//   Send, Answer --> line of the member --> Deliver --> OnBatch there
//
// A batch leaves only over a connection that is there. So it is known of a call whether it can have begun: when its
// hub's owner changes, one that has not left is to be made again elsewhere, and one that has, to a member that died,
// fails.
//
// Any thread. Callbacks run without any lock held, on the completion thread or on that of the caller.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/completion_thread.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/link_credentials.h"
#include "common/shard.h"
#include "proto/calls.grpc.pb.h"
#include "statekeeper/ownership/cluster_admin.h"

namespace dormouse {

class CallPeers {
 public:
  using Done = std::function<void(calls::Answer answer)>;

  // `self`: this member's incarnation. `credentials`: nullptr: none.
  CallPeers(uint64_t self, std::shared_ptr<const LinkCredentials> credentials)
      : self_(self), credentials_(std::move(credentials)) {}

  // From now on, until nullptr, batches leave on that thread.
  void Use(CompletionThread* thread);

  // `request`: without a number. `shard`: its hub's. `until_ms` (SteadyMs): later nobody waits for the answer.
  void Send(const MemberView& to, ShardId shard, calls::Request request, int64_t until_ms, Done done);
  // To who has called.
  void Answer(uint64_t member, calls::Answer answer);
  // A batch has come: the answers find who waits for them. True: its requests are to be carried out, for it is new.
  bool OnBatch(const calls::Batch& batch);

  // To be called every now and then, with who there is: gives up what waits for others, and tries again what could not
  // be delivered. Whether there is anything to be looked at again.
  bool Look(const ClusterView& view);

 private:
  struct Waiting {
    ShardId shard = 0;
    int64_t until_ms = 0;
    Done done;
  };
  struct Peer {
    std::deque<calls::Request> requests;  // that have not left
    std::deque<calls::Answer> answers;
    std::map<uint64_t, Waiting> waiting;  // by the request's number
    uint64_t last_request = 0;
    uint64_t last_left = 0;               // of requests
    uint64_t last_batch = 0;              // sent
    uint64_t received = 0;                // the last one
    std::unique_ptr<calls::Batch> batch;  // on its way, or to be sent again
    bool on_its_way = false;
    bool connects = false;         // it is awaited
    int64_t failing_since_ms = 0;  // 0: it is not
    std::string target;            // empty: unknown
    LinkChannel channel;
  };

  void Aim(Peer* peer, const MemberView& at);
  bool IsConnected(uint64_t id, Peer* peer);
  void Flush(uint64_t id, Peer* peer);
  calls::Batch MakeBatch(Peer* peer);
  void OnDelivered(uint64_t id, bool arrived);
  // Takes from the peer, `there` or not (nullptr), what waits for it in vain.
  static void GiveUp(const ClusterView& view, const MemberView* there, int64_t now_ms, Peer* peer,
                     std::vector<std::pair<Done, calls::Answer>>* over);

  const uint64_t self_;
  const std::shared_ptr<const LinkCredentials> credentials_;
  std::mutex mutex_;
  CompletionThread* thread_ = nullptr;
  std::map<uint64_t, Peer> peers_;
};

}  // namespace dormouse
