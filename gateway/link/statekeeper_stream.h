// A gateway's stream to one lane of a statekeeper: opens it (again and again), greets, checks the numbers of
// batches and acknowledges them. What the batches mean is its Receiver's business; what events it carries is
// its lane's (StatekeeperLane).
//
// A stream on which a batch is missing is opened again, to go on where it was. If that does not help, or a
// batch was broken (and would be so again), the lane is asked to start afresh.
//
// Threading: the gateway's loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/rpc/link_stream.h"
#include "common/shard.h"
#include "gateway/link/event_batch.h"
#include "gateway/link/statekeeper_address.h"
#include "gateway/link/stream_backoff.h"
#include "gateway/link/stream_user.h"
#include "proto/link.pb.h"
#include "proto/takeover.pb.h"

namespace dormouse {

class StatekeeperLane;

class StatekeeperStream final : private StreamUser {
 public:
  // `lane`: whose stream it is.
  class Receiver {
   public:
    virtual ~Receiver() = default;
    // The lane answers; what was on its way is lost. Everything unsettled is to be sent again. `resumed`: the
    // lane knows what it had received before.
    virtual void OnGreeted(StatekeeperLane* lane, bool resumed) = 0;
    // What the lane owns: with its greeting (right after OnGreeted) all, then what it has come to own. False:
    // broken.
    virtual bool OnOwned(StatekeeperLane* lane, const link::ToGateway& message, bool greeting) = 0;
    // A new batch, whose deliveries stand beside it. False: some of it is broken and was passed over.
    virtual bool OnBatch(StatekeeperLane* lane, const link::ToGateway& batch,
                         std::string_view deliveries) = 0;
    // How hubs live, as was asked.
    virtual void OnLooks(StatekeeperLane* lane, const link::ToGateway& message) = 0;
    // The lane cannot read the event that began there, in bytes of all that Write was given since OnGreeted.
    // True: it will not be given again.
    virtual bool OnRefusedEvent(StatekeeperLane* lane, uint32_t begin) = 0;
  };

  // What all streams of a gateway have in common; outlives them.
  struct Gateway {
    CompletionThread* thread = nullptr;
    std::shared_ptr<StreamInbox> inbox;
    const std::string* identity = nullptr;
    Receiver* receiver = nullptr;
  };

  // To the lane with this number.
  StatekeeperStream(const Gateway& gateway, std::shared_ptr<StatekeeperAddress> statekeeper, uint32_t number,
                    StatekeeperLane* lane);
  ~StatekeeperStream() { Close(); }
  StatekeeperStream(const StatekeeperStream&) = delete;
  StatekeeperStream& operator=(const StatekeeperStream&) = delete;

  uint64_t incarnation() const { return statekeeper_->incarnation(); }
  std::string name() const;
  // What a later map says of the statekeeper.
  void Update(const link::Member& member) { statekeeper_->Update(member); }

  // Whether the lane answers.
  bool greeted() const { return greeted_; }
  // Since when it does not; steady clock.
  int64_t silent_since_ms() const { return silent_since_ms_; }
  bool waiting() const { return stream_ == nullptr; }
  // Opens a stream where none is and its time has come.
  void Tick(int64_t steady_ms);
  void Close();

  // For this process's successor, to which the lane says what it would say to this one.
  void Save(takeover::Lane* to) const;
  void Restore(const takeover::Lane& from);

  // The last batch that OnBatch was given, and the last of those that was acknowledged.
  uint64_t received_through() const { return received_through_; }
  uint64_t acknowledged_through() const { return acknowledged_through_; }

  // --- Writing, when it is greeted.

  // Acknowledgements that wait for company go now, or if many do.
  void DueAcknowledgement(bool now);
  // Whether there is something to say, events aside.
  bool HasToSay() const {
    return acknowledge_due_ || stale_untold_ || !questions_.empty() || !answer_times_.empty();
  }
  // Whether the last message is still on its way. Only to be asked with something to say.
  bool Busy() { return stream_->Busy(); }
  // One message with these events, and the rest that is to be said. `acknowledgeable`: the last batch, of
  // those received, that may be acknowledged. False: nothing was to be said.
  bool Write(const EventBatch& events, uint64_t acknowledgeable);

  // Goes with the next message; false: the lane does not answer. What waits when the stream breaks is lost.
  bool LookAt(link::LookAt question);
  // Goes with the next message. What waits when the stream breaks is lost.
  void Tell(link::AnswerTimes times) { answer_times_.push_back(std::move(times)); }
  // Something of this shard was ignored, for an owner of a later epoch has spoken. The lane is told at once.
  void IgnoredStale(ShardId shard, uint32_t known_epoch);

  uint64_t messages_sent() const { return messages_sent_; }
  uint64_t messages_received() const { return messages_received_; }

 private:
  void OnMessage(const grpc::ByteBuffer& message) override;
  void OnClosed(const grpc::Status& status) override;
  bool OnHello(const link::ToGateway::Hello& hello);
  void Break(const char* why);
  // The ends do not understand each other. Before Close.
  void Disagree();
  void FillStale();

  const Gateway gateway_;
  const std::shared_ptr<StatekeeperAddress> statekeeper_;
  const uint32_t number_;
  StatekeeperLane* const lane_;

  std::shared_ptr<LinkStream> stream_;
  bool greeted_ = false;
  int64_t silent_since_ms_;
  StreamBackoff backoff_;
  bool afresh_ = false;  // the lane is to be asked to start afresh

  uint64_t received_through_ = 0;      // batches
  uint64_t acknowledged_through_ = 0;  // of them; as the lane was told on this stream
  bool acknowledge_due_ = false;       // the rest has waited long enough
  std::map<ShardId, uint32_t> stale_;
  bool stale_untold_ = false;
  std::vector<link::LookAt> questions_;
  std::vector<link::AnswerTimes> answer_times_;

  uint64_t messages_sent_ = 0;
  uint64_t messages_received_ = 0;
  link::ToLane outgoing_;  // kept for their memory
  link::ToGateway incoming_;
};

}  // namespace dormouse
