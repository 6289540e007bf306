#include "statekeeper/calls/call_peers.h"

#include <chrono>
#include <utility>

#include "common/clock.h"
#include "common/rpc/unary_question.h"
#include "statekeeper/admin/member_target.h"

namespace dormouse {
namespace {

// A batch ends once it is that large; a single call may be larger.
constexpr size_t kBatchOfCalls = 4u << 20;
constexpr auto kDeliveryTimeout = std::chrono::seconds(5);
// Answers for a member that nobody knows, or that takes none, are kept for so long.
constexpr int64_t kPatienceMs = 30'000;

uint64_t IdOf(const MemberView& member) { return std::stoull(member.id, nullptr, 16); }

calls::Answer Lost(uint64_t number, const std::string& why) {
  calls::Answer answer;
  answer.set_number(number);
  answer.set_failure(why);
  answer.set_retryable(true);
  return answer;
}

}  // namespace

void CallPeers::Use(CompletionThread* thread) {
  const std::lock_guard lock(mutex_);
  thread_ = thread;
}

void CallPeers::Aim(Peer* peer, const MemberView& at) {
  const std::string target = TargetOf(at);
  if (target == peer->target) return;
  peer->target = target;
  peer->channel = LinkChannel(target, credentials_);
}

void CallPeers::Send(const MemberView& to, const std::string& hub, const std::string& payload,
                     int64_t until_ms, Done done) {
  const std::lock_guard lock(mutex_);
  const uint64_t id = IdOf(to);
  Peer& peer = peers_[id];
  Aim(&peer, to);
  calls::Request& request = peer.requests.emplace_back();
  request.set_number(++peer.last_request);
  request.set_hub(hub);
  request.set_payload(payload);
  peer.waiting.emplace(request.number(), Waiting{until_ms, std::move(done)});
  Flush(id, &peer);
}

void CallPeers::Answer(uint64_t member, calls::Answer answer) {
  const std::lock_guard lock(mutex_);
  Peer& peer = peers_[member];
  peer.answers.push_back(std::move(answer));
  Flush(member, &peer);
}

void CallPeers::Flush(uint64_t id, Peer* peer) {
  if (thread_ == nullptr || peer->on_its_way || !peer->channel) return;
  if (peer->batch == nullptr) {
    if (peer->requests.empty() && peer->answers.empty()) return;
    peer->batch = std::make_unique<calls::Batch>();
    peer->batch->set_from(self_);
    peer->batch->set_number(++peer->last_batch);
    size_t bytes = 0;
    for (; !peer->answers.empty() && bytes < kBatchOfCalls; peer->answers.pop_front()) {
      bytes += peer->answers.front().payload().size();
      peer->batch->add_answers()->Swap(&peer->answers.front());
    }
    for (; !peer->requests.empty() && bytes < kBatchOfCalls; peer->requests.pop_front()) {
      bytes += peer->requests.front().payload().size();
      peer->batch->add_requests()->Swap(&peer->requests.front());
    }
  }
  peer->on_its_way = true;
  auto context = std::make_unique<grpc::ClientContext>();
  peer->channel.Authorize(context.get());
  context->set_deadline(std::chrono::system_clock::now() + kDeliveryTimeout);
  const auto stub = calls::Calls::NewStub(peer->channel.grpc());
  UnaryQuestion<calls::Delivered>::Ask(
      thread_, std::move(context),
      [&](grpc::ClientContext* with, grpc::CompletionQueue* queue) {
        return stub->AsyncDeliver(with, *peer->batch, queue);
      },
      [this, id](const grpc::Status& status, calls::Delivered*) { OnDelivered(id, status.ok()); });
}

void CallPeers::OnDelivered(uint64_t id, bool arrived) {
  const std::lock_guard lock(mutex_);
  const auto it = peers_.find(id);
  if (it == peers_.end()) return;
  Peer& peer = it->second;
  peer.on_its_way = false;
  if (!arrived) {  // Look tries again
    if (peer.failing_since_ms == 0) peer.failing_since_ms = SteadyMs();
    return;
  }
  peer.failing_since_ms = 0;
  peer.batch.reset();
  Flush(id, &peer);
}

bool CallPeers::OnBatch(const calls::Batch& batch) {
  std::vector<std::pair<Done, calls::Answer>> answered;
  {
    const std::lock_guard lock(mutex_);
    Peer& peer = peers_[batch.from()];
    if (batch.number() <= peer.received) return false;
    peer.received = batch.number();
    for (const calls::Answer& answer : batch.answers()) {
      const auto waiting = peer.waiting.find(answer.number());
      if (waiting == peer.waiting.end()) continue;
      answered.emplace_back(std::move(waiting->second.done), answer);
      peer.waiting.erase(waiting);
    }
  }
  for (auto& [done, answer] : answered) done(std::move(answer));
  return true;
}

bool CallPeers::Look(const ClusterView& view) {
  std::map<uint64_t, const MemberView*> members;
  for (const MemberView& member : view.members) members.emplace(IdOf(member), &member);
  const int64_t now_ms = SteadyMs();
  std::vector<std::pair<Done, calls::Answer>> lost;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = peers_.begin(); it != peers_.end();) {
      Peer& peer = it->second;
      const auto member = members.find(it->first);
      const bool gone = member == members.end();
      for (auto waiting = peer.waiting.begin(); waiting != peer.waiting.end();) {
        if (!gone && now_ms < waiting->second.until_ms) {
          ++waiting;
          continue;
        }
        lost.emplace_back(std::move(waiting->second.done),
                          Lost(waiting->first, gone ? "The hub's statekeeper has ended"
                                                    : "The hub has not answered in time"));
        waiting = peer.waiting.erase(waiting);
      }
      if (gone) peer.requests.clear();
      if (!gone) Aim(&peer, *member->second);
      // One that has called may be known here a moment later.
      if (gone && peer.failing_since_ms == 0) peer.failing_since_ms = now_ms;
      if (gone && !peer.on_its_way && now_ms - peer.failing_since_ms >= kPatienceMs) {
        it = peers_.erase(it);
        continue;
      }
      Flush(it->first, &peer);
      more =
          more || !peer.waiting.empty() || peer.on_its_way || peer.batch != nullptr || !peer.answers.empty();
      ++it;
    }
  }
  for (auto& [done, answer] : lost) done(std::move(answer));
  return more;
}

}  // namespace dormouse
