#include "clients/load/engine/connections.h"

#include <algorithm>
#include <chrono>

#include "clients/load/engine/source_addresses.h"

namespace dormouse::load {
namespace {

// Between attempts: 100 ms, 200 ms, 400 ms ... 30 s, each +-25 %, as all our clients have it.
constexpr Nanos kFirstDelay = 100 * kMillisecond;
constexpr Nanos kLongestDelay = 30 * kSecond;
constexpr int kDoublings = 9;
constexpr int kNormal = 1000;

}  // namespace

Connections::Connections(const Settings& settings, uint32_t first, uint32_t count, Slot* slot)
    : settings_(settings),
      plan_(settings),
      first_(first),
      slot_(slot),
      sockets_(count),
      states_(count),
      asked_at_(size_t{count} * settings.in_flight),
      random_(settings.seed << 32 | first) {}

void Connections::OpenAll() {
  opens_all_ = true;
  OpenSome();
}

void Connections::OpenSome() {
  if (!opens_all_) return;
  // The window is of all workers together.
  const uint32_t window = std::max(settings_.opening / plan_.workers, 1U);
  while (opened_ < states_.size() && opening_ < window) Open(opened_++);
}

void Connections::Open(uint32_t connection) {
  State& state = states_[connection];
  const uint32_t number = first_ + connection;
  const uint32_t gateway = (plan_.GatewayOf(number) + state.attempts) % plan_.gateways;
  std::string path = settings_.path;
  const size_t at = path.find("{hub}");
  if (at != std::string::npos) path.replace(at, 5, std::to_string(plan_.HubOf(number)));
  Upgrade upgrade{.path = path, .source = SourceOf(number, state.attempts, settings_.sources)};
  if (!settings_.tokens.empty()) upgrade.bearer = settings_.tokens[number % settings_.tokens.size()];
  state.life = Life::kOpening;
  state.begun = Now();
  ++state.attempts;
  ++opening_;
  sockets_.Open(connection, settings_.gateways[gateway], upgrade);
}

void Connections::Close(uint32_t connection) {
  if (states_[connection].life == Life::kOver) return;
  if (states_[connection].life != Life::kAway) sockets_.Close(connection, kNormal);
  Gone(connection);
  states_[connection].life = Life::kOver;
}

void Connections::Break(uint32_t connection) {
  sockets_.Break(connection);
  Gone(connection);
  slot_->Count(kLost);
  ComeBackLater(connection);
}

// Whatever it was, nothing is awaited of it any more.
void Connections::Gone(uint32_t connection) {
  State& state = states_[connection];
  if (state.life == Life::kOpening || state.life == Life::kGreeting) --opening_;
  if (state.life == Life::kReady) {
    --ready_;
    slot_->Count(kReady, -1);
  }
  outstanding_ -= outstanding_of(connection);
  state.replies.Forget();
  state.beats = 0;
  state.life = Life::kAway;
  ++state.lives;
}

void Connections::ComeBackLater(uint32_t connection) {
  State& state = states_[connection];
  const Nanos delay = std::min(kFirstDelay << std::min<int>(state.failures, kDoublings), kLongestDelay);
  if (state.failures < kDoublings) ++state.failures;
  const auto jitter = static_cast<Nanos>(random_() % static_cast<uint64_t>(delay / 2));
  timers_.push({Now() + delay - delay / 4 + jitter, connection, state.lives});
}

void Connections::Ask(uint32_t connection, Nanos at) {
  const uint32_t number = states_[connection].replies.Ask();
  AskedAt(connection, number) = at;
  ++outstanding_;
  talk_->Ask(connection, number);
}

void Connections::Beat(uint32_t connection, Nanos at) {
  if (!talk_->has_beats()) return Ask(connection, at);
  State& state = states_[connection];
  state.beat_at = at;
  ++state.beats;
  ++outstanding_;
  talk_->Beat(connection);
}

void Connections::Turn(Nanos timeout) {
  sockets_.Turn(std::chrono::nanoseconds(timeout), this);
  while (!timers_.empty() && timers_.top().when <= Now()) {
    const Timer timer = timers_.top();
    timers_.pop();
    const State& state = states_[timer.connection];
    if (timer.life != state.lives) continue;
    if (state.life == Life::kAway) {
      Open(timer.connection);
    } else {
      Take(timer.connection, talk_->OnTime(timer.connection));
    }
  }
  for (const uint32_t connection : given_up_) {
    if (states_[connection].life != Life::kGreeting) continue;
    sockets_.Close(connection, kNormal);
    Gone(connection);
    ComeBackLater(connection);
  }
  given_up_.clear();
  OpenSome();
}

void Connections::OnOpen(size_t index) {
  const auto connection = static_cast<uint32_t>(index);
  states_[connection].life = Life::kGreeting;
  Take(connection, talk_->Begin(connection));
}

void Connections::OnFrame(size_t index, std::string_view text) {
  const auto connection = static_cast<uint32_t>(index);
  Take(connection, talk_->OnFrame(connection, text));
}

void Connections::Take(uint32_t connection, const Heard& heard) {
  State& state = states_[connection];
  switch (heard.what) {
    case Heard::What::kNothing:
      return;
    case Heard::What::kReady:
      if (state.life != Life::kGreeting) return Say(Fault::kDoubled, connection, "it was greeted again");
      --opening_;
      state.life = Life::kReady;
      state.failures = 0;
      ++ready_;
      slot_->Count(kReady);
      slot_->Count(kSockets);
      if (heard.number != 0) slot_->Count(kResumed);
      return owner_->OnReady(connection, state.begun, heard.number != 0);
    case Heard::What::kReply:
      return TakeReply(connection, heard.number);
    case Heard::What::kBeat:
      if (state.beats == 0) return Say(Fault::kDoubled, connection, "a heartbeat was acknowledged once more");
      --state.beats;
      --outstanding_;
      slot_->Count(kBeats);
      return owner_->OnBeat(connection, state.beat_at);
    case Heard::What::kMessage:
      slot_->Count(kDeliveries);
      return owner_->OnMessage(connection, heard.number);
    case Heard::What::kReceipt:
      return owner_->OnReceipt(connection, heard.number);
    case Heard::What::kWrong:
      return Say(Fault::kWrong, connection, talk_->trouble());
    case Heard::What::kRefused:
      Say(Fault::kRefused, connection, talk_->trouble());
      if (state.life != Life::kGreeting) return;
      slot_->SayFailure(talk_->trouble());
      return slot_->Count(kHopeless);
    case Heard::What::kNotYet:
      slot_->Count(kFailedTries);
      slot_->last_failed_try.store(Now());
      given_up_.push_back(connection);
      return;
  }
}

void Connections::TakeReply(uint32_t connection, uint32_t number) {
  State& state = states_[connection];
  switch (state.replies.Take(number)) {
    case Sequence::Found::kUnasked:
      return Say(Fault::kWrong, connection,
                 "a reply to request " + std::to_string(number) + ", which was not asked yet");
    case Sequence::Found::kDoubled:
      return Say(Fault::kDoubled, connection,
                 "the reply to request " + std::to_string(number) + " came again");
    case Sequence::Found::kLate:
      Say(Fault::kReordered, connection,
          "the reply to request " + std::to_string(number) + " came after that to a later one");
      break;
    case Sequence::Found::kEarly:
    case Sequence::Found::kNext:
      break;
  }
  --outstanding_;
  slot_->Count(kReplies);
  owner_->OnReply(connection, number, AskedAt(connection, number));
}

void Connections::OnEnd(size_t index, bool was_open, const WebSocket::End& end) {
  const auto connection = static_cast<uint32_t>(index);
  const bool was_ready = is_ready(connection);
  const std::string why = std::to_string(end.code) + " " + end.reason;
  Gone(connection);
  if (!was_ready) {
    slot_->Count(kFailedTries);
    slot_->last_failed_try.store(Now());
    slot_->SayFailure(was_open ? "closed with " + why : end.reason);
    if (expects_to_open_) Say(Fault::kRefused, connection, why);
    return ComeBackLater(connection);
  }
  slot_->Count(kLost);
  if (when_lost_ == WhenLost::kFault) {
    Say(Fault::kClosed, connection, why);
    slot_->SayFailure("closed with " + why);
    slot_->Count(kHopeless);
    states_[connection].life = Life::kOver;
  } else {
    ComeBackLater(connection);
  }
  owner_->OnLost(connection);
}

void Connections::CountMissing() {
  for (uint32_t i = 0; i < states_.size(); ++i) {
    for (uint32_t left = outstanding_of(i); left > 0; --left) {
      Say(Fault::kMissing, i,
          left <= states_[i].beats ? "a heartbeat was not acknowledged" : "a request was not answered");
    }
    outstanding_ -= outstanding_of(i);
    states_[i].replies.Forget();
    states_[i].beats = 0;
  }
}

void Connections::Say(Fault fault, uint32_t connection, const std::string& text) {
  const uint32_t number = first_ + connection;
  slot_->faults.Add(fault, "connection " + std::to_string(number) + " of hub " +
                               std::to_string(plan_.HubOf(number)) + ": " + text);
}

void Connections::Say(uint32_t connection, std::string_view text) { sockets_.Send(connection, text); }

void Connections::Remind(uint32_t connection, Nanos when) {
  timers_.push({when, connection, states_[connection].lives});
}

}  // namespace dormouse::load
