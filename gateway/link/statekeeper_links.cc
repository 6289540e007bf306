#include "gateway/link/statekeeper_links.h"

#include <ev.h>
#include <grpcpp/completion_queue.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/gateway_identity.h"
#include "common/logging.h"
#include "common/shard.h"
#include "gateway/link/foreign_causes.h"
#include "gateway/link/lane_link.h"
#include "gateway/link/shard_log.h"
#include "gateway/link/shard_watch.h"
#include "proto/link_channel.h"
#include "proto/stream_inbox.h"

namespace dormouse {
namespace {

constexpr uint64_t kInboxBytes = 64u << 20;
constexpr double kRetryS = 0.05;
// How long a received batch may wait to be acknowledged in the company of events.
constexpr double kAcknowledgeS = 0.005;
// An owner silent for longer: perhaps the map is an old one, and another statekeeper knows better.
constexpr int64_t kDoubtMapMs = 2000;

class Links;

// A statekeeper lane, and what is on its way to it.
struct Lane final : LaneLink::Owner {
  explicit Lane(Links* all) : links(all) {}

  void OnGreeted(bool resumed) override;
  bool OnOwned(const link::ToGateway& message, bool greeting) override;
  bool OnBatch(link::ToGateway* batch) override;
  bool HasEvents() const override { return !unsent.empty(); }
  void TakeEvents(std::string* batch) override;
  uint64_t AcknowledgeableThrough(uint64_t received_through) override;

  // Events of a shard that this lane must be told before it hears that `batch` arrived.
  struct Precedence {
    uint64_t batch;
    ShardId shard;
    uint32_t epoch;
    uint64_t sequence;  // the last of them
  };

  Links* const links;
  std::unique_ptr<LaneLink> link;  // none: the lane of shards without an owner
  std::vector<ShardId> unsent;     // shards that may have unsent events
  std::deque<Precedence> first;    // mostly empty; in the order of batches
  size_t shards = 0;               // that it owns
  uint64_t unsettled_bytes = 0;    // of these
};

struct Shard {
  ShardLog log;
  ForeignCauses foreign;
  Lane* lane = nullptr;      // of its owner
  uint32_t epoch = 0;        // of its owner
  uint32_t known_epoch = 0;  // the highest that anybody has spoken of
  bool enqueued = false;     // is in lane->unsent
  bool congested = false;
};

class Links final : public StatekeeperLinks, private StreamInbox::Owner {
 public:
  Links(Config config, struct ev_loop* loop, Edge* edge)
      : config_(std::move(config)),
        loop_(loop),
        edge_(edge),
        gateway_(GatewayIdOf(config_.identity)),
        thread_(std::make_unique<grpc::CompletionQueue>()),
        inbox_(new StreamInbox(loop, kInboxBytes, this)),
        nowhere_(this),
        watch_(&thread_, inbox_, config_.statekeepers, config_.credentials,
               [this](const link::ShardMap& map) { OnMap(map); }) {
    ev_timer_init(&retry_timer_, OnRetryTimer, 0, kRetryS);
    retry_timer_.data = this;
    ev_timer_init(&acknowledge_timer_, OnAcknowledgeTimer, 0, kAcknowledgeS);
    acknowledge_timer_.data = this;
    Connect();
  }

  ~Links() override {
    ev_timer_stop(loop_, &retry_timer_);
    ev_timer_stop(loop_, &acknowledge_timer_);
    inbox_->Close();
  }

  Room Append(EventView event) override { return AppendWithTail(event, {}); }

  Room AppendWithTail(EventView event, SharedTail tail) override {
    const size_t payload = event.payload.size() + tail.size;
    if (event.hub.size() + payload > kMaxEventBytes) {
      SPDLOG_ERROR("Event of {} bytes for hub {} is too large to be forwarded", payload, event.hub);
      return Room::kNone;
    }
    event.shard = ShardOf(event.hub, static_cast<uint32_t>(shards_.size()));
    Shard& shard = shards_[event.shard];
    event.epoch = shard.epoch;
    Lane& lane = *shard.lane;
    lane.unsettled_bytes += shard.log.Append(event, std::move(tail));
    ++unsettled_;
    Enqueue(event.shard);
    if (event.kind == EventKind::kUndelivered) GoesFirst(&lane, event.shard, shard.epoch);
    shard.congested |= shard.log.unsettled_bytes() >= RoomOf(lane);
    return shard.congested ? Room::kCongested : Room::kPlenty;
  }

  bool IsCongested(std::string_view hub) const override {
    return shards_[ShardOf(hub, static_cast<uint32_t>(shards_.size()))].congested;
  }

  void Flush() override {
    for (const auto& [key, lane] : lanes_) lane->link->Flush(acknowledge_now_);
    acknowledge_now_ = false;
  }

  bool ready() const override { return not_ready_reason().empty(); }

  std::string not_ready_reason() const override {
    if (shards_.empty()) return "no statekeeper has sent a shard map yet";
    if (nowhere_.shards > 0) return "some shards have no owner";
    for (const auto& [key, lane] : lanes_) {
      if (lane->shards > 0 && !lane->link->greeted()) return "no link to " + lane->link->name();
    }
    return {};
  }

  Traffic traffic() const override {
    Traffic traffic;
    for (const auto& [key, lane] : lanes_) {
      traffic.messages_sent += lane->link->messages_sent();
      traffic.messages_received += lane->link->messages_received();
    }
    for (const Shard& shard : shards_) traffic.remembered_causes += shard.foreign.size();
    return traffic;
  }

  size_t unsettled() const override { return unsettled_; }

  // --- For Lane.

  void OnGreeted(Lane* lane, bool resumed) {
    lane->first.clear();
    for (size_t i = 0; i < shards_.size(); ++i) {
      if (shards_[i].lane == lane) Resend(static_cast<ShardId>(i), !resumed);
    }
  }

  // The lane's own word: newer than any map, and as good as one of the same epoch.
  bool OnOwned(Lane* lane, const link::ToGateway& message, bool greeting) {
    for (const link::Owned& owned : message.owned()) {
      if (owned.shard() >= shards_.size()) return false;
      const auto id = static_cast<ShardId>(owned.shard());
      const Shard& shard = shards_[id];
      if (owned.epoch() < shard.known_epoch) continue;
      if (owned.epoch() != shard.epoch || shard.lane != lane) {
        Assign(id, lane, owned.epoch());
      } else if (!greeting) {
        Resend(id, true);  // a map said so first, and the lane dropped what came before it knew that itself
      }
    }
    return true;
  }

  void TakeEvents(Lane* lane, std::string* batch) {
    size_t taken = 0;
    std::optional<ShardId> left;
    for (; taken < lane->unsent.size() && batch->size() < kBatchBytes; ++taken) {
      Shard& shard = shards_[lane->unsent[taken]];
      if (shard.lane != lane) continue;  // moved since
      shard.log.TakeUnsent(kBatchBytes, batch);
      if (shard.log.has_unsent()) {
        left = lane->unsent[taken++];
        break;
      }
      shard.enqueued = false;
    }
    lane->unsent.erase(lane->unsent.begin(), lane->unsent.begin() + static_cast<ptrdiff_t>(taken));
    // Behind the others: a shard with much to say does not make them wait for all of it.
    if (left.has_value()) lane->unsent.push_back(*left);
  }

  // A lane that recalls what a closed connection did not get takes the acknowledgement of a batch as the word
  // that everything has come back: so events that carry frames back must not travel behind it.
  uint64_t AcknowledgeableThrough(Lane* lane, uint64_t received_through) {
    while (!lane->first.empty()) {
      const Lane::Precedence& front = lane->first.front();
      const Shard& shard = shards_[front.shard];
      const bool told =
          shard.epoch >= front.epoch && (shard.lane != lane || shard.log.sent_through() >= front.sequence);
      if (!told) return std::min(received_through, front.batch - 1);
      lane->first.pop_front();
    }
    return received_through;
  }

  bool OnBatch(Lane* lane, link::ToGateway* batch) {
    if (!ev_is_active(&acknowledge_timer_)) ev_timer_again(loop_, &acknowledge_timer_);
    bool sound = true;
    // What cannot be read may have been the output of what is said to be settled behind it: that comes again
    // then.
    if (Deliver(lane, batch->mutable_deliveries(), &sound)) Settle(lane, *batch, &sound);
    Forget(*batch, &sound);
    return sound;
  }

 private:
  // --- Streams.

  void OnArrival(Arrival& arrival) override {
    auto* user = static_cast<StreamUser*>(arrival.stream->context());
    if (user == nullptr) return;
    if (arrival.kind == Arrival::kMessage) user->OnMessage(arrival.message);
    if (arrival.kind == Arrival::kClosed) user->OnClosed(arrival.stream->status());
  }

  void OnArrivalsEnd() override {
    Connect();
    if (std::exchange(uncongested_, false)) edge_->OnUncongested();
  }

  static void OnRetryTimer(struct ev_loop*, ev_timer* timer, int) {
    static_cast<Links*>(timer->data)->Connect();
  }

  static void OnAcknowledgeTimer(struct ev_loop* loop, ev_timer* timer, int) {
    static_cast<Links*>(timer->data)->acknowledge_now_ = true;
    ev_timer_stop(loop, timer);
  }

  // Opens the streams that are missing and due; keeps the timer going while there are such.
  void Connect() {
    if (watch_.waiting() || AnyLinkWaits()) {
      const int64_t now = SteadyMs();
      watch_.Tick(now);
      for (const auto& [key, lane] : lanes_) lane->link->Tick(now);
    }
    const bool silent = AnyOwnerSilent();
    if (silent) DoubtMap();
    if (!silent && !watch_.waiting() && !AnyLinkWaits()) {
      ev_timer_stop(loop_, &retry_timer_);
    } else if (!ev_is_active(&retry_timer_)) {
      ev_timer_again(loop_, &retry_timer_);
    }
  }

  bool AnyLinkWaits() const {
    return std::any_of(lanes_.begin(), lanes_.end(),
                       [](const auto& item) { return item.second->link->waiting(); });
  }

  bool AnyOwnerSilent() const {
    return std::any_of(lanes_.begin(), lanes_.end(), [](const auto& item) {
      return item.second->shards > 0 && !item.second->link->greeted();
    });
  }

  void DoubtMap() {
    const int64_t now = SteadyMs();
    for (const auto& [key, lane] : lanes_) {
      if (lane->shards == 0 || lane->link->greeted()) continue;
      if (now - lane->link->silent_since_ms() < kDoubtMapMs) continue;
      if (now - doubted_at_ms_ < kDoubtMapMs) return;
      doubted_at_ms_ = now;
      watch_.Rotate();
      return;
    }
  }

  // --- The shard map.

  void OnMap(const link::ShardMap& map) {
    if (!IsSound(map)) return;
    if (shards_.empty()) {
      shards_.resize(map.shard_count());
      for (Shard& shard : shards_) shard.lane = &nowhere_;
      nowhere_.shards = shards_.size();
    }
    std::vector<std::vector<Lane*>> lanes_of_members;
    for (const link::Member& member : map.members()) lanes_of_members.push_back(LanesOf(member));

    for (size_t i = 0; i < shards_.size(); ++i) {
      const uint32_t epoch = map.epoch(static_cast<int>(i));
      const uint32_t owner = map.owner(static_cast<int>(i));
      Lane* lane = &nowhere_;
      if (owner < lanes_of_members.size()) lane = lanes_of_members[owner][i % lanes_of_members[owner].size()];
      if (epoch > shards_[i].epoch || (epoch == shards_[i].epoch && !HasLivingOwner(shards_[i]))) {
        if (epoch != shards_[i].epoch || lane != shards_[i].lane)
          Assign(static_cast<ShardId>(i), lane, epoch);
      }
    }
    DropUnusedLanes(map);
    TellProfiles(map);
  }

  // Whether the owner, as far as it is known, answers.
  static bool HasLivingOwner(const Shard& shard) {
    return shard.lane->link != nullptr && shard.lane->link->greeted();
  }

  bool IsSound(const link::ShardMap& map) const {
    const auto count = static_cast<int>(map.shard_count());
    const bool sound = count > 0 && count <= 65536 && map.owner_size() == count &&
                       map.epoch_size() == count &&
                       std::all_of(map.members().begin(), map.members().end(),
                                   [](const link::Member& member) { return member.lanes() > 0; });
    if (!sound) {
      SPDLOG_ERROR("Ignoring shard map {}: it contradicts itself", map.version());
      return false;
    }
    if (!shards_.empty() && shards_.size() != map.shard_count()) {
      SPDLOG_ERROR(
          "Ignoring shard map {}: it has {} shards, this gateway was told {}. Are two clusters mixed up?",
          map.version(), count, shards_.size());
      return false;
    }
    return true;
  }

  // The member's lanes, new ones where it is new. Also of a member that owns nothing yet: its streams are
  // there when it does.
  std::vector<Lane*> LanesOf(const link::Member& member) {
    std::vector<Lane*> lanes;
    std::shared_ptr<StatekeeperAddress> address;
    for (uint32_t i = 0; i < member.lanes(); ++i) {
      std::unique_ptr<Lane>& lane = lanes_[{member.incarnation(), i}];
      if (lane == nullptr) {
        if (address == nullptr) address = std::make_shared<StatekeeperAddress>(member, config_.credentials);
        lane = std::make_unique<Lane>(this);
        lane->link = std::make_unique<LaneLink>(&thread_, inbox_, &config_.identity, address, i, lane.get());
      }
      lanes.push_back(lane.get());
    }
    return lanes;
  }

  void DropUnusedLanes(const link::ShardMap& map) {
    std::erase_if(lanes_, [&](const auto& item) {
      const auto& members = map.members();
      const bool listed = std::any_of(members.begin(), members.end(), [&](const link::Member& member) {
        return member.incarnation() == item.first.first;
      });
      return !listed && std::none_of(shards_.begin(), shards_.end(),
                                     [&](const Shard& shard) { return shard.lane == item.second.get(); });
    });
  }

  void TellProfiles(const link::ShardMap& map) {
    std::string serialized;
    for (const link::ClassProfile& profile : map.classes()) serialized += profile.SerializeAsString();
    if (profiles_told_ && serialized == profiles_) return;
    profiles_told_ = true;
    profiles_ = std::move(serialized);
    edge_->OnProfiles({map.classes().begin(), map.classes().end()}, map.shard_count());
  }

  // --- Shards.

  // The shard has an owner of this epoch now: it is told everything unsettled, before anything new.
  void Assign(ShardId id, Lane* lane, uint32_t epoch) {
    Shard& shard = shards_[id];
    shard.lane->unsettled_bytes -= shard.log.unsettled_bytes();
    --shard.lane->shards;
    ++lane->shards;
    shard.lane = lane;
    shard.epoch = epoch;
    shard.known_epoch = std::max(shard.known_epoch, epoch);
    lane->unsettled_bytes += shard.log.unsettled_bytes();
    LookWhetherUncongested(&shard);
    shard.enqueued = false;
    Resend(id, true);
  }

  void Resend(ShardId id, bool mark_repeated) {
    Shard& shard = shards_[id];
    shard.log.Rewind(shard.epoch, mark_repeated);
    if (!shard.log.has_unsent()) return;
    Enqueue(id);
    GoesFirst(shard.lane, id, shard.epoch);
  }

  // What the shard's owner in this epoch has not been told yet goes before the acknowledgement of the lane's
  // next batch.
  void GoesFirst(Lane* lane, ShardId id, uint32_t epoch) {
    if (lane->link == nullptr) return;
    const Lane::Precedence entry{lane->link->received_through() + 1, id, epoch,
                                 shards_[id].log.last_sequence()};
    if (!lane->first.empty()) {
      Lane::Precedence& last = lane->first.back();
      if (last.batch == entry.batch && last.shard == id && last.epoch == epoch) {
        last.sequence = entry.sequence;
        return;
      }
    }
    lane->first.push_back(entry);
  }

  void Enqueue(ShardId id) {
    Shard& shard = shards_[id];
    if (shard.lane->link == nullptr) return;  // when it has an owner
    if (!std::exchange(shard.enqueued, true)) shard.lane->unsent.push_back(id);
  }

  // Of the replay buffer, beside what is taken of it.
  uint64_t RoomOf(const Lane& lane) const {
    return config_.replay_buffer - std::min(config_.replay_buffer, lane.unsettled_bytes);
  }

  // Where the shard's bytes, or its lane, have become fewer or another.
  void LookWhetherUncongested(Shard* shard) {
    // Not at the first byte of room: a shard at its limit would be stopped and started for each event.
    if (!shard->congested || 2 * shard->log.unsettled_bytes() > RoomOf(*shard->lane)) return;
    shard->congested = false;
    uncongested_ = true;  // its sockets may be read again
  }

  void SettleEvents(Shard* shard, uint64_t first, uint64_t last) {
    const size_t before = shard->log.unsettled();
    shard->lane->unsettled_bytes -=
        shard->log.Settle(first, last, [this](const EventView& event) { edge_->OnSettled(event); });
    unsettled_ -= before - shard->log.unsettled();
    LookWhetherUncongested(shard);
  }

  // --- Batches.

  // Whether the lane speaks for an epoch of the shard that is not over.
  bool IsCurrent(Lane* lane, ShardId id, uint32_t epoch) {
    Shard& shard = shards_[id];
    if (epoch < shard.known_epoch) {
      lane->link->IgnoredStale(id, shard.known_epoch);
      return false;
    }
    shard.known_epoch = epoch;
    return true;
  }

  // False: the rest of them cannot be read. `*sound` becomes false where one makes no sense here.
  bool Deliver(Lane* lane, std::string* deliveries, bool* sound) {
    char* at = deliveries->data();
    const char* const end = at + deliveries->size();
    DeliveryView delivery;
    while (at != end) {
      if (!ReadDelivery(&at, end, &delivery)) return *sound = false;
      if (delivery.shard >= shards_.size() || delivery.cause.shard >= shards_.size()) {
        *sound = false;
        continue;
      }
      acknowledge_now_ |= delivery.kind == DeliveryKind::kFence;  // it is sent for that
      if (!IsCurrent(lane, delivery.shard, delivery.epoch)) continue;
      // The owner is newer than the map: it is told everything as soon as the map is here.
      if (delivery.epoch > shards_[delivery.shard].epoch) GoesFirst(lane, delivery.shard, delivery.epoch);
      Shard& cause = shards_[delivery.cause.shard];
      if (delivery.cause.gateway == gateway_) {
        const ShardLog::Verdict verdict = cause.log.Admit(delivery.cause.sequence, delivery.index);
        *sound &= verdict != ShardLog::Verdict::kUnknown;
        if (verdict == ShardLog::Verdict::kDeliver) edge_->OnDelivery(delivery);
        if (delivery.final) SettleEvents(&cause, delivery.cause.sequence, delivery.cause.sequence);
      } else if (!delivery.cause.IsEvent() ||
                 cause.foreign.Admit(delivery.cause.gateway, delivery.cause.sequence, delivery.index)) {
        edge_->OnDelivery(delivery);
      }
    }
    return true;
  }

  void Settle(Lane* lane, const link::ToGateway& batch, bool* sound) {
    for (const link::Settled& settled : batch.settled()) {
      if (settled.shard() >= shards_.size() ||
          settled.last() > shards_[settled.shard()].log.last_sequence()) {
        *sound = false;
        continue;
      }
      Shard& shard = shards_[settled.shard()];
      if (!IsCurrent(lane, static_cast<ShardId>(settled.shard()), settled.epoch())) continue;
      SettleEvents(&shard, settled.first(), settled.last());
    }
  }

  void Forget(const link::ToGateway& batch, bool* sound) {
    for (const link::Forget& forget : batch.forget()) {
      if (forget.shard() >= shards_.size()) {
        *sound = false;
        continue;
      }
      shards_[forget.shard()].foreign.Forget(forget.gateway(), forget.first(), forget.last(), forget.below());
    }
  }

  const Config config_;
  struct ev_loop* const loop_;
  Edge* const edge_;
  const GatewayId gateway_;
  CompletionThread thread_;
  const std::shared_ptr<StreamInbox> inbox_;
  ev_timer retry_timer_;
  ev_timer acknowledge_timer_;
  bool acknowledge_now_ = false;

  std::vector<Shard> shards_;                                             // empty: no map yet
  Lane nowhere_;                                                          // of shards without an owner
  std::map<std::pair<uint64_t, uint32_t>, std::unique_ptr<Lane>> lanes_;  // by incarnation and lane
  ShardWatch watch_;
  int64_t doubted_at_ms_ = 0;
  bool profiles_told_ = false;
  std::string profiles_;
  size_t unsettled_ = 0;
  bool uncongested_ = false;
};

void Lane::OnGreeted(bool resumed) { links->OnGreeted(this, resumed); }
bool Lane::OnOwned(const link::ToGateway& message, bool greeting) {
  return links->OnOwned(this, message, greeting);
}
bool Lane::OnBatch(link::ToGateway* batch) { return links->OnBatch(this, batch); }
void Lane::TakeEvents(std::string* batch) { links->TakeEvents(this, batch); }
uint64_t Lane::AcknowledgeableThrough(uint64_t received_through) {
  return links->AcknowledgeableThrough(this, received_through);
}

}  // namespace

std::unique_ptr<StatekeeperLinks> NewStatekeeperLinks(StatekeeperLinks::Config config, struct ev_loop* loop,
                                                      StatekeeperLinks::Edge* edge) {
  return std::make_unique<Links>(std::move(config), loop, edge);
}

}  // namespace dormouse
