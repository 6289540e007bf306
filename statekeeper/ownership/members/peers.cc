#include "statekeeper/ownership/members/peers.h"

#include <algorithm>
#include <utility>

#include "common/logging.h"
#include "statekeeper/ownership/members/peer_service.h"

namespace dormouse {
namespace {

constexpr Duration kReconnect{200};

}  // namespace

Peers::Peers(MemberId self, std::shared_ptr<const LinkCredentials> credentials,
             std::shared_ptr<TaskQueue> queue, std::shared_ptr<PeerCalls> calls, Callbacks callbacks)
    : self_(self),
      credentials_(std::move(credentials)),
      queue_(std::move(queue)),
      calls_(std::move(calls)),
      callbacks_(std::move(callbacks)) {}

Peers::~Peers() { calls_->End(); }

void Peers::SetMembers(const std::vector<Member>& others) {
  std::map<MemberId, Link> kept;
  for (const Member& member : others) {
    auto link = links_.extract(member.id);
    if (link.empty()) {
      // By its unix socket where it has no address: then it is for this host alone.
      kept.try_emplace(member.id, member.address.empty() ? "unix:" + member.unix_path : member.address,
                       credentials_);
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
  Tick(SteadyClock::now());
}

void Peers::Tick(SteadyTime now) {
  for (auto& [id, link] : links_) {
    if (link.serial == 0) {
      if (now >= link.open_at) Open(id, &link, now);
      continue;
    }
    if (link.heard.has_value()) {
      if (now - *link.heard < kSilence) continue;
      Close(&link);
      SetUnreachable(id, &link, true, "it is silent");
      link.open_at = {};
    } else if (now - link.opened >= (link.ever_heard ? kAnswer : kFirstAnswer)) {
      SetUnreachable(id, &link, true, "it does not answer");
      if (now - link.opened < kFirstAnswer) continue;
      Close(&link);
      ++link.failures;
      link.open_at = {};
    }
  }
}

void Peers::Forgive(SteadyTime now) {
  for (auto& [id, link] : links_) {
    if (link.heard.has_value()) link.heard = now;
    link.opened = now;
  }
}

std::vector<MemberId> Peers::unreachable() const {
  std::vector<MemberId> ids;
  for (const auto& [id, link] : links_) {
    if (link.unreachable) ids.push_back(id);
  }
  return ids;
}

bool Peers::IsSettled() const {
  return std::all_of(links_.begin(), links_.end(), [](const auto& each) {
    return each.second.heard.has_value() && !each.second.unreachable;
  });
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
  calls_->Offer(
      at->second.target.Channel(false, Milliseconds(SteadyClock::now())), request, deadline,
      [queue = queue_, done = std::move(done)](const grpc::Status& status, peer::OfferAnswer answer) {
        if (!status.ok()) {
          SPDLOG_WARN("An offer of shards came to nothing: {}", status.error_message());
        }
        queue->Post([done, ok = status.ok(), answer = std::move(answer)] {
          done(ok ? std::make_unique<peer::OfferAnswer>(answer) : nullptr);
        });
      });
}

void Peers::Open(MemberId id, Link* link, SteadyTime now) {
  peer::LiveRequest request;
  request.set_incarnation(id);
  request.set_from(self_);
  link->serial = ++last_serial_;
  link->opened = now;
  link->heard.reset();
  PeerCalls::LiveCallbacks callbacks;
  callbacks.on_note = [this, queue = queue_, id, serial = link->serial](const peer::Note& note) {
    queue->Post([this, id, serial, note] { OnNote(id, serial, note); });
  };
  callbacks.on_closed = [this, queue = queue_, id, serial = link->serial](const grpc::Status& status) {
    queue->Post([this, id, serial, status] { OnClosed(id, serial, status); });
  };
  link->call = calls_->OpenLive(link->target.Channel(link->failures > 0, Milliseconds(now)), request,
                                std::move(callbacks));
}

void Peers::Close(Link* link) {
  if (const auto call = link->call.lock()) call->TryCancel();
  link->call.reset();
  link->serial = 0;
}

void Peers::OnNote(MemberId id, uint64_t serial, const peer::Note& note) {
  const auto at = links_.find(id);
  if (at == links_.end() || at->second.serial != serial) return;
  Link& link = at->second;
  link.heard = SteadyClock::now();
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
  const bool was_heard = link.heard.has_value();
  link.ends |= status.error_message() == kEnding;
  Close(&link);
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
    SetUnreachable(id, &link, true, "another process listens at its address");
  } else if (was_heard) {
    Open(id, &link, SteadyClock::now());  // just the stream?
    return;
  } else {
    SetUnreachable(id, &link, true, status.error_message());
  }
  ++link.failures;
  link.open_at = SteadyClock::now() + kReconnect;
}

void Peers::SetUnreachable(MemberId id, Link* link, bool unreachable, const std::string& why) {
  if (std::exchange(link->unreachable, unreachable) == unreachable) return;
  if (unreachable && link->ends) {
    SPDLOG_INFO("Statekeeper {} ends", PrintMemberId(id));
  } else if (unreachable) {
    SPDLOG_WARN("Statekeeper {} cannot be reached: {}", PrintMemberId(id), why);
  } else {
    SPDLOG_INFO("Statekeeper {} can be reached again", PrintMemberId(id));
  }
  callbacks_.on_change();
}

}  // namespace dormouse
