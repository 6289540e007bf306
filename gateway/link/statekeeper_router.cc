#include "gateway/link/statekeeper_router.h"

#include <grpcpp/completion_queue.h>
#include <unistd.h>

#include <algorithm>

#include "common/auth/gateway_identity.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/shard.h"

namespace dormouse {
namespace {

constexpr uint64_t kInboxBytes = 64u << 20;
constexpr double kRetryS = 0.05;
// How long a received batch may wait to be acknowledged in the company of events.
constexpr double kAcknowledgeS = 0.005;
constexpr double kLookS = 0.1;
constexpr int64_t kSilentOwnerMs = 2000;

bool IsTooLarge(const EventView& event, size_t tail) {
  const size_t payload = event.payload.size() + tail;
  if (event.hub.size() + payload <= StatekeeperLinks::kMaxEventBytes) return false;
  const LogAbout about({.hub = event.hub});
  SPDLOG_ERROR("an event of {} bytes is too large to be forwarded", payload);
  return true;
}

void StartTimer(struct ev_loop* loop, ev_timer* timer) {
  if (!ev_is_active(timer)) ev_timer_again(loop, timer);
}

}  // namespace

StatekeeperRouter::StatekeeperRouter(Config config, struct ev_loop* loop, Edge* edge)
    : config_(std::move(config)),
      loop_(loop),
      edge_(edge),
      gateway_(GatewayIdOf(config_.identity)),
      thread_(std::make_unique<grpc::CompletionQueue>()),
      inbox_(new StreamInbox(loop, kInboxBytes, this)),
      buffer_(config_.replay_buffer),
      unassigned_(&buffer_),
      receiver_(gateway_, &buffer_, edge, config_.batch_deliveries),
      watch_(&thread_, inbox_, config_.statekeepers, config_.credentials,
             [this](const link::ShardMap& map) { OnMap(map); }),
      app_tunnels_(&thread_, config_.credentials),
      held_(config_.hold) {
  ev_timer_init(
      &retry_timer_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<StatekeeperRouter*>(timer->data)->Connect(); },
      0, kRetryS);
  ev_timer_init(
      &acknowledge_timer_,
      [](struct ev_loop* on, ev_timer* timer, int) {
        static_cast<StatekeeperRouter*>(timer->data)->acknowledge_now_ = true;
        ev_timer_stop(on, timer);
      },
      0, kAcknowledgeS);
  ev_timer_init(
      &look_timer_,
      [](struct ev_loop*, ev_timer* timer, int) {
        static_cast<StatekeeperRouter*>(timer->data)->OnLookTimer();
      },
      0, kLookS);
  for (ev_timer* timer : {&retry_timer_, &acknowledge_timer_, &look_timer_}) timer->data = this;
  Connect();
}

StatekeeperRouter::~StatekeeperRouter() {
  for (ev_timer* timer : {&retry_timer_, &acknowledge_timer_, &look_timer_}) ev_timer_stop(loop_, timer);
  app_tunnels_.End();
  inbox_->Close();
}

// --- Events.

StatekeeperLinks::AppendResult StatekeeperRouter::AppendWithTail(EventView event, SharedTail tail) {
  if (IsTooLarge(event, tail.size)) return AppendResult::kTooLarge;
  ReplayBuffer::Shard* const shard = ShardFor(&event);
  // Megabytes may come back at once, of a hundred sockets that did not read: nobody is to wait behind them.
  if (IsReturn(event.kind)) return Queue(shard, event, std::move(tail));
  StatekeeperLane* const lane = shard->route.lane();
  const bool in_order_with_frames =
      event.kind == EventKind::kText || event.kind == EventKind::kBinary || event.kind == EventKind::kClose;
  if (in_order_with_frames && lane->HasQueued(event.connection)) return Queue(shard, event, std::move(tail));
  buffer_.Append(shard, event, std::move(tail));
  lane->Enqueue(event.shard);
  return ResultFor(shard);
}

StatekeeperLinks::AppendResult StatekeeperRouter::AppendInLine(EventView event) {
  if (IsTooLarge(event, 0)) return AppendResult::kTooLarge;
  ReplayBuffer::Shard* const shard = ShardFor(&event);
  return Queue(shard, event, {});
}

ReplayBuffer::Shard* StatekeeperRouter::ShardFor(EventView* event) {
  event->shard = ShardOf(event->hub, static_cast<uint32_t>(buffer_.size()));
  ReplayBuffer::Shard* const shard = &buffer_[event->shard];
  event->epoch = shard->route.epoch();
  return shard;
}

StatekeeperLinks::AppendResult StatekeeperRouter::Queue(ReplayBuffer::Shard* shard, const EventView& event,
                                                        SharedTail tail) {
  StatekeeperLane* const lane = shard->route.lane();
  lane->Queue(shard, event, std::move(tail));
  LookLater(*lane);
  return ResultFor(shard);
}

StatekeeperLinks::AppendResult StatekeeperRouter::ResultFor(ReplayBuffer::Shard* shard) {
  return buffer_.Congest(shard) ? AppendResult::kCongested : AppendResult::kAccepted;
}

bool StatekeeperRouter::IsCongested(std::string_view hub) const {
  return buffer_[ShardOf(hub, static_cast<uint32_t>(buffer_.size()))].congested;
}

uint64_t StatekeeperRouter::LookAt(std::string_view hub, bool sleep, Looked done) {
  if (buffer_.size() == 0) return 0;
  StatekeeperStream* const stream =
      buffer_[ShardOf(hub, static_cast<uint32_t>(buffer_.size()))].route.lane()->stream();
  link::LookAt question;
  question.set_number(++looks_asked_);
  question.set_hub(std::string(hub));
  question.set_sleep(sleep);
  if (stream == nullptr || !stream->LookAt(std::move(question))) return 0;
  looks_.emplace(looks_asked_, std::move(done));
  return looks_asked_;
}

void StatekeeperRouter::Flush() {
  for (const auto& [key, lane] : lanes_) lane->Flush(acknowledge_now_);
  acknowledge_now_ = false;
}

std::string StatekeeperRouter::not_ready_reason() const {
  if (buffer_.size() == 0) return "no statekeeper has sent a shard map yet";
  if (unassigned_.share().shards > 0) return "some shards have no owner";
  for (const auto& [key, lane] : lanes_) {
    if (lane->share()->shards > 0 && !lane->answers()) return "no link to " + lane->stream()->name();
  }
  return {};
}

StatekeeperLinks::Traffic StatekeeperRouter::traffic() const {
  Traffic traffic;
  for (const auto& [key, lane] : lanes_) {
    traffic.messages_sent += lane->stream()->messages_sent();
    traffic.messages_received += lane->stream()->messages_received();
  }
  for (const ReplayBuffer::Shard& shard : buffer_.shards()) traffic.remembered_causes += shard.foreign.size();
  return traffic;
}

uint64_t StatekeeperRouter::unsettled_bytes() const {
  uint64_t bytes = unassigned_.share().bytes;
  for (const auto& [key, lane] : lanes_) bytes += lane->share()->bytes;
  return bytes;
}

// --- What lanes say.

void StatekeeperRouter::OnGreeted(StatekeeperLane* lane, bool resumed) {
  lane->Restart();
  for (size_t i = 0; i < buffer_.size(); ++i) {
    if (buffer_[i].route.lane() == lane) lane->Resend(static_cast<ShardId>(i), !resumed);
  }
}

bool StatekeeperRouter::OnOwned(StatekeeperLane* lane, const link::ToGateway& message, bool greeting) {
  std::vector<bool> forgotten;
  for (const link::Owned& owned : message.owned()) {
    if (owned.shard() >= buffer_.size()) return false;
    const auto id = static_cast<ShardId>(owned.shard());
    ShardRoute& route = buffer_[id].route;
    const ShardRoute::Claim claim = route.Judge(lane, owned.epoch());
    if (claim == ShardRoute::Claim::kStale) {  // it lags, or its store does
      lane->stream()->IgnoredStale(id, route.known_epoch());
      continue;
    }
    if (owned.has_commits() && !route.SetCommits(owned.commits())) {
      forgotten.resize(buffer_.size());
      forgotten[id] = true;
    }
    if (claim == ShardRoute::Claim::kNews) {
      Assign(id, lane, owned.epoch());
    } else if (!greeting) {
      lane->Resend(id,
                   true);  // a map said so first, and the lane dropped what came before it knew that itself
    }
  }
  if (!forgotten.empty()) {
    SPDLOG_WARN("{} has shards of which the store has lost changes: their hubs are asked for their sockets",
                lane->stream()->name());
    edge_->OnForgotten(forgotten);
  }
  return true;
}

bool StatekeeperRouter::OnBatch(StatekeeperLane* lane, const link::ToGateway& batch,
                                std::string_view deliveries) {
  StartTimer(loop_, &acknowledge_timer_);
  const bool sound = receiver_.Receive(lane, batch, deliveries);
  acknowledge_now_ |= receiver_.TakeBarrier();
  return sound;
}

void StatekeeperRouter::OnLooks(StatekeeperLane* lane, const link::ToGateway& message) {
  for (const link::Look& look : message.looks()) {
    const auto asked = looks_.extract(look.number());
    if (!asked.empty()) asked.mapped()(look, lane->stream()->incarnation());
  }
}

bool StatekeeperRouter::OnRefusedEvent(StatekeeperLane* lane, uint32_t begin) {
  const auto [shard, sequence] = lane->FindSent(begin);
  if (shard == nullptr) return false;
  std::string record;
  buffer_.Settle(shard, sequence, sequence, [&](const EventView& event) { AppendEvent(event, &record); });
  std::string_view rest = record;
  EventView event;
  if (!ReadEvent(&rest, &event)) return true;
  {
    const LogAbout about(
        {.shard = event.shard, .hub = event.hub, .connection = ConnectionId{gateway_, event.connection}});
    SPDLOG_ERROR("{} cannot read an event (sequence {}, kind {}, {} bytes): it is dropped",
                 lane->stream()->name(), event.sequence, static_cast<int>(event.kind), event.payload.size());
  }
  edge_->OnUnreadable(event);
  edge_->OnSettled(event);
  return true;
}

// --- Streams.

void StatekeeperRouter::OnArrival(Arrival& arrival) {
  auto* user = static_cast<StreamUser*>(arrival.stream->context());
  if (user == nullptr) return;
  if (arrival.kind == Arrival::kMessage) user->OnMessage(arrival.message);
  if (arrival.kind == Arrival::kClosed) user->OnClosed(arrival.stream->status());
}

void StatekeeperRouter::OnArrivalsEnd() {
  Connect();
  if (buffer_.TakeRelieved()) edge_->OnUncongested();
}

void StatekeeperRouter::Connect() {
  if (left_) return;
  if (watch_.waiting() || AnyStreamWaits()) {
    const int64_t now = SteadyMs();
    watch_.Tick(now);
    for (const auto& [key, lane] : lanes_) lane->stream()->Tick(now);
  }
  const bool silent = AnyOwnerSilent();
  if (silent) RotateWatch();
  if (!silent && !watch_.waiting() && !AnyStreamWaits()) {
    ev_timer_stop(loop_, &retry_timer_);
  } else {
    StartTimer(loop_, &retry_timer_);
  }
}

bool StatekeeperRouter::AnyStreamWaits() const {
  return std::ranges::any_of(lanes_, [](const auto& item) { return item.second->stream()->waiting(); });
}

bool StatekeeperRouter::AnyOwnerSilent() const {
  return std::ranges::any_of(
      lanes_, [](const auto& item) { return item.second->share()->shards > 0 && !item.second->answers(); });
}

void StatekeeperRouter::RotateWatch() {
  const int64_t now = SteadyMs();
  if (now - rotated_at_ms_ < kSilentOwnerMs) return;
  const bool long_silent = std::ranges::any_of(lanes_, [&](const auto& item) {
    const StatekeeperLane& lane = *item.second;
    return lane.share().shards > 0 && !lane.answers() &&
           now - lane.stream()->silent_since_ms() >= kSilentOwnerMs;
  });
  if (!long_silent) return;
  rotated_at_ms_ = now;
  watch_.Rotate();
}

void StatekeeperRouter::LookLater(const StatekeeperLane& lane) {
  if (lane.HasQueued()) StartTimer(loop_, &look_timer_);
}

void StatekeeperRouter::OnLookTimer() {
  bool any = false;
  for (const auto& [key, lane] : lanes_) {
    if (!lane->HasQueued()) continue;
    any = true;
    lane->Tick();
  }
  if (!any) ev_timer_stop(loop_, &look_timer_);
}

// --- Owners.

void StatekeeperRouter::OnMap(const link::ShardMap& map) {
  if (held_) {
    held_map_ = map;
    return TellProfiles(map);
  }
  if (buffer_.size() == 0) buffer_.Open(map.shard_count(), &unassigned_);
  std::vector<std::vector<StatekeeperLane*>> lanes_of_members;
  for (const link::Member& member : map.members()) lanes_of_members.push_back(LanesOf(member));

  for (size_t i = 0; i < buffer_.size(); ++i) {
    const uint32_t epoch = map.epoch(static_cast<int>(i));
    const uint32_t owner = map.owner(static_cast<int>(i));
    StatekeeperLane* lane = &unassigned_;
    if (owner < lanes_of_members.size()) lane = lanes_of_members[owner][i % lanes_of_members[owner].size()];
    ShardRoute& route = buffer_[i].route;
    if (route.IsNews(lane, epoch, route.lane()->answers())) Assign(static_cast<ShardId>(i), lane, epoch);
  }
  DropUnusedLanes(map);
  TellProfiles(map);
  TellAppAddresses(map);
}

std::vector<StatekeeperLane*> StatekeeperRouter::LanesOf(const link::Member& member) {
  std::vector<StatekeeperLane*> lanes;
  std::shared_ptr<StatekeeperAddress> address;
  for (uint32_t i = 0; i < member.lanes(); ++i) {
    std::unique_ptr<StatekeeperLane>& lane = lanes_[{member.incarnation(), i}];
    if (lane == nullptr) {
      if (address == nullptr) address = std::make_shared<StatekeeperAddress>(member, config_.credentials);
      lane = std::make_unique<StatekeeperLane>(&buffer_);
      const StatekeeperStream::Gateway gateway{
          .thread = &thread_, .inbox = inbox_, .identity = &config_.identity, .receiver = this};
      lane->set_stream(std::make_unique<StatekeeperStream>(gateway, address, i, lane.get()));
    } else {
      lane->stream()->Update(member);
    }
    lanes.push_back(lane.get());
  }
  return lanes;
}

void StatekeeperRouter::DropUnusedLanes(const link::ShardMap& map) {
  std::erase_if(lanes_, [&](const auto& item) {
    const bool listed = std::ranges::any_of(
        map.members(), [&](const link::Member& member) { return member.incarnation() == item.first.first; });
    return !listed && item.second->share()->shards == 0;
  });
}

void StatekeeperRouter::TellProfiles(const link::ShardMap& map) {
  std::string serialized;
  for (const link::ClassProfile& profile : map.classes()) serialized += profile.SerializeAsString();
  if (profiles_told_ && serialized == profiles_) return;
  profiles_told_ = true;
  profiles_ = std::move(serialized);
  edge_->OnProfiles({map.classes().begin(), map.classes().end()}, map.shard_count());
}

void StatekeeperRouter::TellAppAddresses(const link::ShardMap& map) {
  std::vector<std::string> addresses;
  std::vector<std::string> elsewhere;
  for (const link::Member& member : map.members()) {
    if (member.app_http().empty()) continue;
    // Who has its socket is on this host, and runs as this user.
    const bool is_here = access(member.unix_path().c_str(), F_OK) == 0;
    if (!is_here && !member.address().empty()) elsewhere.push_back(member.address());
    addresses.push_back(is_here || member.address().empty() ? member.app_http() : member.address());
  }
  if (addresses == app_addresses_) return;
  app_addresses_ = std::move(addresses);
  app_tunnels_.Keep(elsewhere);
  edge_->OnAppAddresses(app_addresses_);
}

void StatekeeperRouter::Assign(ShardId id, StatekeeperLane* lane, uint32_t epoch) {
  ReplayBuffer::Shard& shard = buffer_[id];
  StatekeeperLane* const before = shard.route.lane();
  buffer_.Assign(&shard, lane, epoch);
  if (before != lane) {
    lane->TakeQueued(id, before);
    LookLater(*lane);
  }
  shard.enqueued = false;
  lane->Resend(id, true);
}

std::unique_ptr<StatekeeperLinks> NewStatekeeperLinks(StatekeeperLinks::Config config, struct ev_loop* loop,
                                                      StatekeeperLinks::Edge* edge) {
  return std::make_unique<StatekeeperRouter>(std::move(config), loop, edge);
}

}  // namespace dormouse
