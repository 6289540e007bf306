#include "statekeeper/ownership/peers.h"

#include <grpcpp/client_context.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr int64_t kRetryMs = 200;

}  // namespace

// Calls under way: they outlive whoever began them by a moment.
class Peers::CallCount {
 public:
  void Begin() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void End() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void AwaitNone() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int count_ = 0;
};

class Peers::LiveCall final : public grpc::ClientReadReactor<peer::Note> {
 public:
  struct Callbacks {
    std::function<void(const peer::Note&)> on_note;  // both on a gRPC thread
    std::function<void(const grpc::Status&)> on_closed;
  };

  static std::shared_ptr<LiveCall> Start(const std::shared_ptr<grpc::Channel>& channel,
                                         const peer::LiveRequest& request, std::shared_ptr<CallCount> calls,
                                         Callbacks callbacks) {
    auto call = std::make_shared<LiveCall>(channel, request, std::move(calls), std::move(callbacks));
    call->self_ = call;
    call->calls_->Begin();
    call->stub_->async()->Live(&call->context_, &call->request_, call.get());
    call->StartRead(&call->note_);
    call->StartCall();
    return call;
  }

  LiveCall(const std::shared_ptr<grpc::Channel>& channel, const peer::LiveRequest& request,
           std::shared_ptr<CallCount> calls, Callbacks callbacks)
      : stub_(peer::Peer::NewStub(channel)),
        request_(request),
        calls_(std::move(calls)),
        callbacks_(std::move(callbacks)) {}

  void Cancel() { context_.TryCancel(); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    callbacks_.on_note(note_);
    StartRead(&note_);
  }

  void OnDone(const grpc::Status& status) override {
    callbacks_.on_closed(status);
    const std::shared_ptr<CallCount> calls = calls_;
    self_.reset();  // perhaps the end of this object
    calls->End();
  }

  const std::unique_ptr<peer::Peer::Stub> stub_;
  const peer::LiveRequest request_;
  const std::shared_ptr<CallCount> calls_;
  const Callbacks callbacks_;
  grpc::ClientContext context_;
  peer::Note note_;
  std::shared_ptr<LiveCall> self_;
};

class Peers::OfferCall {
 public:
  static void Start(const std::shared_ptr<grpc::Channel>& channel, peer::OfferRequest request,
                    Duration deadline, std::shared_ptr<TaskQueue> queue,
                    const std::shared_ptr<CallCount>& calls, Offered done) {
    auto call = std::make_shared<OfferCall>();
    call->stub_ = peer::Peer::NewStub(channel);
    call->request_ = std::move(request);
    call->context_.set_deadline(std::chrono::system_clock::now() + deadline);
    calls->Begin();
    call->stub_->async()->Offer(
        &call->context_, &call->request_, &call->answer_,
        [call, queue = std::move(queue), calls, done = std::move(done)](const grpc::Status& status) {
          if (!status.ok()) SPDLOG_WARN("An offer of shards came to nothing: {}", status.error_message());
          queue->Post([call, done, ok = status.ok()] {
            done(ok ? std::make_unique<peer::OfferAnswer>(std::move(call->answer_)) : nullptr);
          });
          calls->End();
        });
  }

 private:
  std::unique_ptr<peer::Peer::Stub> stub_;
  peer::OfferRequest request_;
  peer::OfferAnswer answer_;
  grpc::ClientContext context_;
};

Peers::Peers(MemberId self, std::shared_ptr<TaskQueue> queue, Callbacks callbacks)
    : self_(self),
      queue_(std::move(queue)),
      callbacks_(std::move(callbacks)),
      calls_(std::make_shared<CallCount>()) {}

Peers::~Peers() {
  for (auto& [id, link] : links_) Close(&link);
  calls_->AwaitNone();
}

void Peers::SetMembers(const std::vector<Member>& others) {
  std::map<MemberId, Link> kept;
  for (const Member& member : others) {
    auto link = links_.extract(member.id);
    if (link.empty()) {
      kept.try_emplace(member.id, member.address);
    } else {
      kept.insert(std::move(link));
    }
  }
  bool changed = false;
  for (auto& [id, link] : links_) {
    Close(&link);
    changed |= link.unreachable;
  }
  links_ = std::move(kept);
  if (changed) callbacks_.on_change();
  Tick(SteadyMs());
}

void Peers::Tick(int64_t steady_ms) {
  for (auto& [id, link] : links_) {
    if (link.call == nullptr) {
      if (steady_ms >= link.open_at_ms) Open(id, &link, steady_ms);
      continue;
    }
    if (link.heard_ms != 0) {
      if (steady_ms - link.heard_ms < kSilenceMs) continue;
      Close(&link);
      SetUnreachable(id, &link, true, "it is silent");
      link.open_at_ms = 0;
    } else if (steady_ms - link.opened_ms >= (link.ever_heard ? kAnswerMs : kFirstAnswerMs)) {
      SetUnreachable(id, &link, true, "it does not answer");
      if (steady_ms - link.opened_ms < kFirstAnswerMs) continue;
      Close(&link);
      ++link.failures;
      link.open_at_ms = 0;
    }
  }
}

void Peers::Forgive(int64_t steady_ms) {
  for (auto& [id, link] : links_) {
    if (link.heard_ms != 0) link.heard_ms = steady_ms;
    link.opened_ms = steady_ms;
  }
}

std::vector<MemberId> Peers::unreachable() const {
  std::vector<MemberId> ids;
  for (const auto& [id, link] : links_) {
    if (link.unreachable) ids.push_back(id);
  }
  return ids;
}

bool Peers::IsReachable(MemberId id) const {
  const auto at = links_.find(id);
  return at != links_.end() && at->second.ever_heard && !at->second.unreachable;
}

Peers::Store Peers::store() const {
  Store store = Store::kUnknown;
  for (const auto& [id, link] : links_) {
    if (!link.ever_heard || link.unreachable) continue;
    if (link.reaches_store) return Store::kReached;
    store = Store::kAway;
  }
  return store;
}

void Peers::Offer(MemberId to, peer::OfferRequest request, Duration deadline, Offered done) {
  const auto at = links_.find(to);
  if (at == links_.end()) {
    queue_->Post([done = std::move(done)] { done(nullptr); });
    return;
  }
  request.set_incarnation(to);
  request.set_from(self_);
  OfferCall::Start(at->second.target.Channel(false, SteadyMs()), std::move(request), deadline, queue_, calls_,
                   std::move(done));
}

void Peers::Open(MemberId id, Link* link, int64_t steady_ms) {
  peer::LiveRequest request;
  request.set_incarnation(id);
  request.set_from(self_);
  link->serial = ++last_serial_;
  link->opened_ms = steady_ms;
  link->heard_ms = 0;
  LiveCall::Callbacks callbacks;
  callbacks.on_note = [this, queue = queue_, id, serial = link->serial](const peer::Note& note) {
    queue->Post([this, id, serial, note] { OnNote(id, serial, note); });
  };
  callbacks.on_closed = [this, queue = queue_, id, serial = link->serial](const grpc::Status& status) {
    queue->Post([this, id, serial, status] { OnClosed(id, serial, status); });
  };
  link->call = LiveCall::Start(link->target.Channel(link->failures > 0, steady_ms), request, calls_,
                               std::move(callbacks));
}

void Peers::Close(Link* link) {
  if (link->call != nullptr) link->call->Cancel();
  link->call.reset();
  link->serial = 0;
}

void Peers::OnNote(MemberId id, uint64_t serial, const peer::Note& note) {
  const auto at = links_.find(id);
  if (at == links_.end() || at->second.serial != serial) return;
  Link& link = at->second;
  link.heard_ms = SteadyMs();
  link.ever_heard = true;
  link.failures = 0;
  const bool news = link.changes != note.changes() || link.reaches_store != note.reaches_store();
  link.changes = note.changes();
  link.reaches_store = note.reaches_store();
  SetUnreachable(id, &link, false, "");
  if (news) callbacks_.on_look_again();
}

void Peers::OnClosed(MemberId id, uint64_t serial, const grpc::Status& status) {
  const auto at = links_.find(id);
  if (at == links_.end() || at->second.serial != serial) return;
  Link& link = at->second;
  const bool was_heard = link.heard_ms != 0;
  Close(&link);
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
    SetUnreachable(id, &link, true, "another process listens at its address");
  } else if (was_heard) {
    Open(id, &link, SteadyMs());  // just the stream?
    return;
  } else {
    SetUnreachable(id, &link, true, status.error_message());
  }
  ++link.failures;
  link.open_at_ms = SteadyMs() + kRetryMs;
}

void Peers::SetUnreachable(MemberId id, Link* link, bool unreachable, const std::string& why) {
  if (std::exchange(link->unreachable, unreachable) == unreachable) return;
  if (unreachable) {
    SPDLOG_WARN("Statekeeper {} cannot be reached: {}", PrintMemberId(id), why);
  } else {
    SPDLOG_INFO("Statekeeper {} can be reached again", PrintMemberId(id));
  }
  callbacks_.on_change();
}

}  // namespace dormouse
