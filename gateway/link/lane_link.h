// A gateway's link to one statekeeper lane: opens its stream (again and again), greets, checks the numbers of
// batches and acknowledges them. What the batches mean is its Owner's business.
//
// A stream on which a batch is missing is opened again, to go on where it was. If that does not help, or a
// batch was broken (and would be so again), the link asks the lane to start afresh. Two ends that never agree
// cost little: they try seldom then.
//
// Threading: the gateway's loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/link_channel.h"
#include "common/rpc/link_stream.h"
#include "common/shard.h"
#include "gateway/link/stream_user.h"
#include "proto/link.pb.h"

namespace dormouse {

class CompletionThread;
class StreamInbox;

// A statekeeper process as the shard map describes it, and the ways to it.
class StatekeeperAddress {
 public:
  StatekeeperAddress(const link::Member& member, const std::shared_ptr<const LinkCredentials>& credentials)
      : member_(member),
        unix_("unix:" + member.unix_path(), credentials),
        address_(member.address(), credentials) {}

  uint64_t incarnation() const { return member_.incarnation(); }
  const std::string& name() const {
    return member_.address().empty() ? member_.unix_path() : member_.address();
  }
  // Opens a stream to a lane: by the unix socket where it is on this host, on odd attempts by the address,
  // for the path may be another host's. Its arrivals come to `inbox`; when it cannot be opened, that is
  // Arrival::kClosed.
  std::shared_ptr<LinkStream> Open(uint32_t lane, const grpc::ByteBuffer& greeting, uint32_t attempt,
                                   int64_t steady_ms, CompletionThread* thread,
                                   const std::shared_ptr<StreamInbox>& inbox);

 private:
  const link::Member member_;
  LinkTarget unix_;
  LinkTarget address_;
};

class LaneLink final : private StreamUser {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The lane answers; what was on its way is lost. Everything unsettled is to be sent again. `resumed`: the
    // lane knows what it had taken before.
    virtual void OnGreeted(bool resumed) = 0;
    // What the lane owns: with its greeting (right after OnGreeted) all, then what it has come to own. False:
    // broken.
    virtual bool OnOwned(const link::ToGateway& message, bool greeting) = 0;
    // A new batch. False: some of it is broken and was passed over.
    virtual bool OnBatch(link::ToGateway* batch) = 0;
    // How hubs live, as was asked.
    virtual void OnLooks(const link::ToGateway& message) = 0;
    // Whether there are events for the lane; appends some, up to the size of a batch.
    virtual bool HasEvents() const = 0;
    virtual void TakeEvents(std::string* batch) = 0;
    // The last batch, `received_through` at most, that may be acknowledged now: what came back from sockets
    // until it was here (kUndelivered) must have been taken.
    virtual uint64_t AcknowledgeableThrough(uint64_t received_through) = 0;
    // The lane cannot read the event that began there, in bytes of all that TakeEvents gave since OnGreeted.
    // True: it will not be given again.
    virtual bool OnRefusedEvent(uint32_t begin) = 0;
  };

  // `identity`: of the gateway; outlives the link.
  LaneLink(CompletionThread* thread, std::shared_ptr<StreamInbox> inbox, const std::string* identity,
           std::shared_ptr<StatekeeperAddress> statekeeper, uint32_t lane, Owner* owner);
  ~LaneLink() { Close(); }
  LaneLink(const LaneLink&) = delete;
  LaneLink& operator=(const LaneLink&) = delete;

  uint64_t incarnation() const { return statekeeper_->incarnation(); }
  std::string name() const;

  // Whether the lane answers.
  bool greeted() const { return greeted_; }
  // Since when it does not; steady clock.
  int64_t silent_since_ms() const { return silent_since_ms_; }
  bool waiting() const { return stream_ == nullptr; }
  // The last batch that OnBatch was given.
  uint64_t received_through() const { return received_through_; }
  uint64_t acknowledged_through() const { return acknowledged_through_; }
  // Opens a stream where none is and its time has come.
  void Tick(int64_t steady_ms);
  void Close();

  // Writes one message, if there is something to say and the last one is on its way. `acknowledge`: also when
  // it is only an acknowledgement that waits.
  void Flush(bool acknowledge);

  // Goes with the next message; false: the lane does not answer. What waits when the stream breaks is lost.
  bool LookAt(link::LookAt question);

  // Something of this shard was ignored, for an owner of a later epoch has spoken. The lane is told at once.
  void IgnoredStale(ShardId shard, uint32_t known_epoch);

  uint64_t messages_sent() const { return messages_sent_; }
  uint64_t messages_received() const { return messages_received_; }

 private:
  void OnMessage(const grpc::ByteBuffer& message) override;
  void OnClosed(const grpc::Status& status) override;
  bool OnHello(const link::ToGateway::Hello& hello);
  void Break(const char* why);
  void RetryLater();
  // The ends do not understand each other. Before Close.
  void RetryAfterTrouble();
  void FillStale();

  CompletionThread* const thread_;
  const std::shared_ptr<StreamInbox> inbox_;
  const std::string* const identity_;
  const std::shared_ptr<StatekeeperAddress> statekeeper_;
  const uint32_t lane_;
  Owner* const owner_;

  std::shared_ptr<LinkStream> stream_;
  bool greeted_ = false;
  uint32_t attempts_ = 0;  // since the last greeting
  int64_t open_at_ms_ = 0;
  int64_t silent_since_ms_;
  int64_t greeted_at_ms_ = 0;
  uint32_t troubles_ = 0;  // streams of late that the ends could not agree on
  bool afresh_ = false;    // the lane is to be asked to start afresh

  uint64_t received_through_ = 0;      // batches
  uint64_t acknowledged_through_ = 0;  // of them; as the lane was told on this stream
  bool acknowledge_due_ = false;       // the rest has waited long enough
  std::map<ShardId, uint32_t> stale_;
  bool stale_unsaid_ = false;
  std::vector<link::LookAt> look_at_;

  uint64_t messages_sent_ = 0;
  uint64_t messages_received_ = 0;
  link::ToLane outgoing_;  // kept for their memory
  link::ToGateway incoming_;
};

}  // namespace dormouse
