#include "statekeeper/calls/call_peers.h"

#include <chrono>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/rpc/channel_change.h"
#include "common/rpc/unary_question.h"
#include "statekeeper/admin/member_target.h"

namespace dormouse {
namespace {

// A batch ends once it is that large; a single call may be larger.
constexpr size_t kBatchOfCalls = 4u << 20;
constexpr auto kDeliveryTimeout = std::chrono::seconds(5);
constexpr auto kConnectPatience = std::chrono::milliseconds(200);
// Answers for a member that nobody knows, or that takes none, are kept for so long.
constexpr int64_t kPatienceMs = 30'000;

uint64_t IdOf(const MemberView& member) { return std::stoull(member.id, nullptr, 16); }

calls::Answer LostAnswer(uint64_t number, const std::string& why) {
  calls::Answer answer;
  answer.set_number(number);
  answer.set_failure(why);
  answer.set_retryable(true);
  answer.set_unknown(true);
  return answer;
}

calls::Answer Elsewhere(uint64_t number) {
  calls::Answer answer = LostAnswer(number, "The hub's owner has changed");
  answer.set_not_owner(true);
  answer.set_unknown(false);
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

void CallPeers::Send(const MemberView& to, ShardId shard, calls::Request request, int64_t until_ms,
                     Done done) {
  const std::lock_guard lock(mutex_);
  const uint64_t id = IdOf(to);
  Peer& peer = peers_[id];
  Aim(&peer, to);
  request.set_number(++peer.last_request);
  peer.requests.push_back(std::move(request));
  peer.waiting.emplace(peer.last_request, Waiting{shard, until_ms, std::move(done)});
  Flush(id, &peer);
}

void CallPeers::Answer(uint64_t member, calls::Answer answer) {
  const std::lock_guard lock(mutex_);
  Peer& peer = peers_[member];
  peer.answers.push_back(std::move(answer));
  Flush(member, &peer);
}

bool CallPeers::IsConnected(uint64_t id, Peer* peer) {
  const grpc_connectivity_state state = peer->channel.grpc()->GetState(/*try_to_connect=*/true);
  if (state == GRPC_CHANNEL_READY) return true;
  if (peer->connects) return false;
  peer->connects = true;
  ChannelChange::Await(thread_, peer->channel.grpc(), state, kConnectPatience, [this, id] {
    const std::lock_guard lock(mutex_);
    const auto it = peers_.find(id);
    if (it == peers_.end()) return;
    it->second.connects = false;
    Flush(id, &it->second);
  });
  return false;
}

calls::Batch CallPeers::MakeBatch(Peer* peer) {
  calls::Batch batch;
  batch.set_from(self_);
  batch.set_number(++peer->last_batch);
  size_t bytes = 0;
  for (; !peer->answers.empty() && bytes < kBatchOfCalls; peer->answers.pop_front()) {
    bytes += peer->answers.front().payload().size();
    batch.add_answers()->Swap(&peer->answers.front());
  }
  for (; !peer->requests.empty() && bytes < kBatchOfCalls; peer->requests.pop_front()) {
    bytes += peer->requests.front().payload().size() + peer->requests.front().command().size();
    peer->last_left = peer->requests.front().number();
    batch.add_requests()->Swap(&peer->requests.front());
  }
  return batch;
}

void CallPeers::Flush(uint64_t id, Peer* peer) {
  if (thread_ == nullptr || peer->on_its_way || !peer->channel) return;
  if (peer->batch == nullptr && peer->requests.empty() && peer->answers.empty()) return;
  if (!IsConnected(id, peer)) return;
  if (peer->batch == nullptr) peer->batch = std::make_unique<calls::Batch>(MakeBatch(peer));
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
  std::vector<std::pair<Done, calls::Answer>> over;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = peers_.begin(); it != peers_.end();) {
      Peer& peer = it->second;
      const auto member = members.find(it->first);
      const MemberView* const there = member == members.end() ? nullptr : member->second;
      GiveUp(view, there, now_ms, &peer, &over);
      if (there != nullptr) Aim(&peer, *there);
      // One that has called may be known here a moment later.
      if (there == nullptr && peer.failing_since_ms == 0) peer.failing_since_ms = now_ms;
      if (there == nullptr && !peer.on_its_way && now_ms - peer.failing_since_ms >= kPatienceMs) {
        it = peers_.erase(it);
        continue;
      }
      Flush(it->first, &peer);
      more =
          more || !peer.waiting.empty() || peer.on_its_way || peer.batch != nullptr || !peer.answers.empty();
      ++it;
    }
  }
  for (auto& [done, answer] : over) done(std::move(answer));
  return more;
}

void CallPeers::GiveUp(const ClusterView& view, const MemberView* there, int64_t now_ms, Peer* peer,
                       std::vector<std::pair<Done, calls::Answer>>* over) {
  const auto is_moved = [&](ShardId shard) {
    return there == nullptr || (shard < view.shards.size() && view.shards[shard].owner != there->id);
  };
  const bool is_lost = there == nullptr || there->suspected;
  const size_t before = over->size();
  for (auto it = peer->waiting.begin(); it != peer->waiting.end();) {
    auto& [number, waiting] = *it;
    std::optional<calls::Answer> answer;
    if (now_ms >= waiting.until_ms) {
      answer = LostAnswer(number, "The hub has not answered in time");
    } else if (is_moved(waiting.shard) && number > peer->last_left) {
      answer = Elsewhere(number);
    } else if (is_moved(waiting.shard) && is_lost) {
      answer = LostAnswer(number,
                          "The hub's statekeeper has ended; whether the call was carried out is not known");
    }
    if (!answer) {
      ++it;
      continue;
    }
    over->emplace_back(std::move(waiting.done), *std::move(answer));
    it = peer->waiting.erase(it);
  }
  if (over->size() > before)
    std::erase_if(peer->requests, [&](const auto& each) { return !peer->waiting.contains(each.number()); });
}

}  // namespace dormouse
