#include "gateway/edge/testing/fake_links.h"

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "common/clock.h"

namespace dormouse::edge {
namespace {

constexpr std::chrono::seconds kPatience(10);

}  // namespace

Backlog FakeLinks::Event::backlog() const {
  Backlog backlog;
  ReadBacklogPayload(payload, &backlog);
  return backlog;
}

uint16_t FakeLinks::Event::close_code() const {
  CloseView close{.code = 0};
  ReadClosePayload(payload, &close);
  return close.code;
}

std::string FakeLinks::Event::close_reason() const {
  CloseView close;
  ReadClosePayload(payload, &close);
  return std::string(close.reason);
}

bool FakeLinks::Event::close_by_client() const {
  CloseView close;
  ReadClosePayload(payload, &close);
  return close.by_client;
}

FakeLinks::FakeLinks(struct ev_loop* loop, Edge* edge)
    : edge_(edge), wake_(loop, [this] { DeliverBatch(); }) {}

void FakeLinks::Echo(bool on) {
  const std::lock_guard lock(mutex_);
  echo_ = on;
}

void FakeLinks::Congest(bool on) {
  const std::lock_guard lock(mutex_);
  congested_ = on;
}

void FakeLinks::Settle(bool on) {
  {
    const std::lock_guard lock(mutex_);
    settle_ = on;
  }
  wake_.Send();
}

void FakeLinks::SetReady(bool on) {
  const std::lock_guard lock(mutex_);
  ready_ = on;
}

void FakeLinks::SetUnsettled(size_t count) {
  {
    const std::lock_guard lock(mutex_);
    unsettled_ = count;
  }
  wake_.Send();
}

FakeLinks::Event FakeLinks::WaitForEvent(size_t index) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return events_.size() > index; })) {
    throw std::runtime_error("no event " + std::to_string(index));
  }
  return events_[index];
}

FakeLinks::Event FakeLinks::WaitForKind(EventKind kind, size_t from, size_t* index) {
  for (size_t i = from;; ++i) {
    Event event = WaitForEvent(i);
    if (event.kind != kind) continue;
    if (index != nullptr) *index = i;
    return event;
  }
}

size_t FakeLinks::event_count() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

void FakeLinks::Deliver(const DeliveryToAppend& delivery) {
  {
    const std::lock_guard lock(mutex_);
    AppendDelivery(delivery, &batch_);
  }
  wake_.Send();
}

void FakeLinks::Run(std::function<void()> action) {
  bool done = false;
  {
    const std::lock_guard lock(mutex_);
    actions_.push_back([&, action = std::move(action)] {
      action();
      const std::lock_guard done_lock(mutex_);
      done = true;
      changed_.notify_all();
    });
  }
  wake_.Send();
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return done; }))
    throw std::runtime_error("the loop does not turn");
}

StatekeeperLinks::AppendResult FakeLinks::Append(EventView event) { return Take(event, false); }

StatekeeperLinks::AppendResult FakeLinks::AppendInLine(EventView event) { return Take(event, true); }

StatekeeperLinks::AppendResult FakeLinks::Take(const EventView& event, bool in_line) {
  const std::lock_guard lock(mutex_);
  events_.push_back({.kind = event.kind,
                     .connection = event.connection,
                     .last_seen_ms = event.last_seen_ms,
                     .hub = std::string(event.hub),
                     .payload = std::string(event.payload),
                     .in_line = in_line,
                     .turn = turns_});
  kept_.push_back(events_.back());
  changed_.notify_all();
  if (echo_ && (event.kind == EventKind::kText || event.kind == EventKind::kBinary)) {
    const Recipient recipient{event.connection, {}};
    DeliveryToAppend delivery;
    delivery.kind = event.kind == EventKind::kText ? DeliveryKind::kText : DeliveryKind::kBinary;
    delivery.recipients = {&recipient, 1};
    delivery.payload = event.payload;
    AppendDelivery(delivery, &batch_);
  }
  return congested_ ? AppendResult::kCongested : AppendResult::kAccepted;
}

StatekeeperLinks::AppendResult FakeLinks::AppendWithTail(EventView event, SharedTail tail) {
  const std::string payload = std::string(event.payload).append(tail.view());
  event.payload = payload;
  return Append(event);
}

bool FakeLinks::IsCongested(std::string_view /*hub*/) const {
  const std::lock_guard lock(mutex_);
  return congested_;
}

uint64_t FakeLinks::LookAt(std::string_view hub, bool sleep, Looked done) {
  if (!ready()) return 0;
  looked_at_.emplace_back(hub, sleep);
  looks_.emplace(looked_at_.size(), std::move(done));
  return looked_at_.size();
}

FakeLinks::LookedAt FakeLinks::WaitForLook(size_t index) {
  LookedAt look;
  for (const int64_t until = SteadyMs() + 10'000; look.hub.empty() && SteadyMs() < until;) {
    Run([&] {
      if (index < looked_at_.size()) look = {looked_at_[index].first, looked_at_[index].second};
    });
  }
  if (look.hub.empty()) std::abort();
  return look;
}

void FakeLinks::AnswerLook(uint64_t number, const link::Look& look) {
  Run([&] {
    const auto asked = looks_.extract(number);
    if (!asked.empty()) asked.mapped()(look, 0xabc);
  });
}

size_t FakeLinks::open_looks() {
  size_t count = 0;
  Run([&] { count = looks_.size(); });
  return count;
}

// As with real links, what was appended goes on its way here.
void FakeLinks::Flush() {
  const std::lock_guard lock(mutex_);
  ++turns_;
  if (!batch_.empty() || (settle_ && !kept_.empty())) wake_.Send();
}

bool FakeLinks::ready() const {
  const std::lock_guard lock(mutex_);
  return ready_;
}

size_t FakeLinks::unsettled() const {
  const std::lock_guard lock(mutex_);
  return unsettled_;
}

void FakeLinks::DeliverBatch() {
  std::string batch;
  std::vector<std::function<void()>> actions;
  std::vector<Event> settled;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(batch_);
    actions.swap(actions_);
    if (settle_) settled.swap(kept_);
  }
  std::string_view rest = batch;
  DeliveryView delivery;
  while (ReadDelivery(&rest, &delivery)) edge_->OnDelivery(delivery);
  for (const Event& event : settled) {
    edge_->OnSettled(
        {.kind = event.kind, .connection = event.connection, .hub = event.hub, .payload = event.payload});
  }
  for (const auto& action : actions) action();
}

}  // namespace dormouse::edge
