#include "gateway/link/statekeeper_links.h"

#include <absl/functional/function_ref.h>
#include <ev.h>
#include <grpcpp/completion_queue.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <utility>

#include "common/auth/gateway_identity.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/stream_inbox.h"
#include "common/shard.h"
#include "gateway/link/fair_lines.h"
#include "gateway/link/foreign_causes.h"
#include "gateway/link/lane_link.h"
#include "gateway/link/shard_log.h"
#include "gateway/link/shard_watch.h"

namespace dormouse {
namespace {

constexpr uint64_t kInboxBytes = 64u << 20;
constexpr double kRetryS = 0.05;
// How long a received batch may wait to be acknowledged in the company of events.
constexpr double kAcknowledgeS = 0.005;
// What stands in line goes as long as less than this is on its way to a lane: enough to keep that busy, and
// little enough for those who pass not to wait behind it.
constexpr uint32_t kLineWindowBytes = 1u << 20;
// A lane of which nothing was heard for so many looks (it waits for others, and not for want of time) is
// taken to have dealt with what is on its way.
constexpr double kLineLookS = 0.1;
constexpr uint32_t kLineLooks = 5;
// What a shard may send before others have their turn.
constexpr size_t kShardTurnBytes = 64u << 10;
// An owner silent for longer: perhaps the map is an old one, and another statekeeper knows better.
constexpr int64_t kDoubtMapMs = 2000;

class Links;

// A statekeeper lane, and what is on its way to it.
struct Lane final : LaneLink::Owner {
  explicit Lane(Links* all) : links(all) {}

  void OnGreeted(bool resumed) override;
  bool OnOwned(const link::ToGateway& message, bool greeting) override;
  bool OnBatch(link::ToGateway* batch) override;
  void OnLooks(const link::ToGateway& message) override;
  bool HasEvents() const override { return !unsent.empty() || LineGoes(0); }
  void TakeEvents(std::string* batch) override;
  uint64_t AcknowledgeableThrough(uint64_t received_through) override;
  bool OnRefusedEvent(uint32_t begin) override;

  // Events of a shard that this lane must be told before it hears that `batch` arrived.
  struct Precedence {
    uint64_t batch;
    ShardId shard;
    uint32_t epoch;
    uint64_t sequence;  // the last of them
  };

  // Whether one more of those in line may go, with so many bytes of a batch before it.
  bool LineGoes(size_t batch) const {
    return !lines.empty() && sent - dealt_with + static_cast<uint32_t>(batch) < kLineWindowBytes;
  }
  // The lane has dealt with what it was sent up to there.
  void DealtWith(uint32_t position) {
    if (sent - position >= sent - dealt_with) return;  // known, or sent to another lane
    dealt_with = position;
    looks = 0;
  }

  Links* const links;
  std::unique_ptr<LaneLink> link;  // none: the lane of shards without an owner
  std::deque<ShardId> unsent;      // shards that may have unsent events
  FairLines lines;                 // who has much under way
  uint32_t sent = 0;               // bytes, since it greeted; wraps
  uint32_t dealt_with = 0;         // of them
  uint32_t looks = 0;              // since then
  std::deque<Precedence> first;    // mostly empty; in the order of batches
  size_t shards = 0;               // that it owns
  uint64_t unsettled_bytes = 0;    // of these, what stands in line included
};

struct Shard {
  uint64_t bytes() const { return log.unsettled_bytes() + in_line_bytes; }

  ShardLog log;
  uint64_t in_line_bytes = 0;
  ForeignCauses foreign;
  Lane* lane = nullptr;      // of its owner
  uint32_t epoch = 0;        // of its owner
  uint32_t known_epoch = 0;  // the highest that anybody has spoken of
  uint64_t commits = 0;      // that were durable, by the word of an owner
  bool enqueued = false;     // is in lane->unsent
  bool congested = false;
};

// How many deliveries a batch has; those with notes alone do not count.
class CountedBatch {
 public:
  explicit CountedBatch(prometheus::Histogram* histogram) : histogram_(histogram) {}
  ~CountedBatch() {
    if (histogram_ != nullptr && count_ > 0) histogram_->Observe(count_);
  }
  CountedBatch(const CountedBatch&) = delete;
  CountedBatch& operator=(const CountedBatch&) = delete;
  void Add() { ++count_; }

 private:
  prometheus::Histogram* const histogram_;
  uint32_t count_ = 0;
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
    ev_timer_init(&line_timer_, OnLineTimer, 0, kLineLookS);
    line_timer_.data = this;
    Connect();
  }

  ~Links() override {
    ev_timer_stop(loop_, &retry_timer_);
    ev_timer_stop(loop_, &line_timer_);
    ev_timer_stop(loop_, &acknowledge_timer_);
    inbox_->Close();
  }

  Room Append(EventView event) override { return AppendWithTail(event, {}); }

  Room AppendWithTail(EventView event, SharedTail tail) override {
    if (IsTooLarge(event, tail.size)) return Room::kNone;
    Shard& shard = ShardFor(&event);
    // Megabytes may come back at once, of a hundred sockets that did not read: nobody is to wait behind them.
    if (IsReturn(event.kind)) return StandInLine(&shard, event, std::move(tail));
    Lane& lane = *shard.lane;
    const bool in_order_with_frames =
        event.kind == EventKind::kText || event.kind == EventKind::kBinary || event.kind == EventKind::kClose;
    if (in_order_with_frames && lane.lines.Has(event.connection))
      return StandInLine(&shard, event, std::move(tail));
    lane.unsettled_bytes += shard.log.Append(event, std::move(tail));
    ++unsettled_;
    Enqueue(event.shard);
    return RoomFor(&shard);
  }

  Room AppendInLine(EventView event) override {
    if (IsTooLarge(event, 0)) return Room::kNone;
    Shard& shard = ShardFor(&event);
    return StandInLine(&shard, event, {});
  }

  bool IsCongested(std::string_view hub) const override {
    return shards_[ShardOf(hub, static_cast<uint32_t>(shards_.size()))].congested;
  }

  uint64_t LookAt(std::string_view hub, bool sleep, Looked done) override {
    if (shards_.empty()) return 0;
    const Lane& lane = *shards_[ShardOf(hub, static_cast<uint32_t>(shards_.size()))].lane;
    link::LookAt question;
    question.set_number(++looks_asked_);
    question.set_hub(std::string(hub));
    question.set_sleep(sleep);
    if (lane.link == nullptr || !lane.link->LookAt(std::move(question))) return 0;
    looks_.emplace(looks_asked_, std::move(done));
    return looks_asked_;
  }

  void ForgetLook(uint64_t number) override { looks_.erase(number); }

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

  uint64_t unsettled_bytes() const override {
    uint64_t bytes = nowhere_.unsettled_bytes;
    for (const auto& [key, lane] : lanes_) bytes += lane->unsettled_bytes;
    return bytes;
  }

  // --- For Lane.

  void OnLooks(const Lane& lane, const link::ToGateway& message) {
    for (const link::Look& look : message.looks()) {
      const auto asked = looks_.extract(look.number());
      if (!asked.empty()) asked.mapped()(look, lane.link->incarnation());
    }
  }

  void OnGreeted(Lane* lane, bool resumed) {
    lane->first.clear();
    lane->lines.Renumber(FirstUnacknowledged(*lane));
    lane->sent = lane->dealt_with = 0;
    for (size_t i = 0; i < shards_.size(); ++i) {
      if (shards_[i].lane == lane) Resend(static_cast<ShardId>(i), !resumed);
    }
  }

  // The lane's own word: newer than any map, and as good as one of the same epoch.
  bool OnOwned(Lane* lane, const link::ToGateway& message, bool greeting) {
    std::vector<bool> forgotten;
    for (const link::Owned& owned : message.owned()) {
      if (owned.shard() >= shards_.size()) return false;
      const auto id = static_cast<ShardId>(owned.shard());
      Shard& shard = shards_[id];
      if (IsSecondOwner(&shard, lane, owned.epoch()) || owned.epoch() < shard.known_epoch) {
        // It lags, or its store does.
        lane->link->IgnoredStale(id, shard.known_epoch);
        continue;
      }
      if (owned.has_commits() && std::exchange(shard.commits, owned.commits()) > owned.commits()) {
        forgotten.resize(shards_.size());
        forgotten[id] = true;
      }
      if (owned.epoch() != shard.epoch || shard.lane != lane) {
        Assign(id, lane, owned.epoch());
      } else if (!greeting) {
        Resend(id, true);  // a map said so first, and the lane dropped what came before it knew that itself
      }
    }
    if (!forgotten.empty()) {
      SPDLOG_WARN("{} has shards of which the store has lost changes: their hubs are asked for their sockets",
                  lane->link->name());
      edge_->OnForgotten(forgotten);
    }
    return true;
  }

  void TakeEvents(Lane* lane, std::string* batch) {
    TakeNumbered(lane, batch);
    // One at a time: what it passes, or has passed it, is not to wait for the rest of a large batch.
    while (batch->size() < kBatchBytes && lane->LineGoes(batch->size())) {
      LeaveLine(lane, lane->lines.Next());
      TakeNumbered(lane, batch);
    }
    lane->sent += static_cast<uint32_t>(batch->size());
  }

  // A lane that recalls what a closed connection did not get takes the acknowledgement of a batch as the word
  // that everything has come back: so events that carry frames back must not travel behind it.
  uint64_t AcknowledgeableThrough(Lane* lane, uint64_t received_through) {
    while (!lane->first.empty()) {
      const Lane::Precedence& front = lane->first.front();
      const Shard& shard = shards_[front.shard];
      const bool told =
          shard.epoch >= front.epoch && (shard.lane != lane || shard.log.sent_through() >= front.sequence);
      if (!told) {
        received_through = std::min(received_through, front.batch - 1);
        break;
      }
      lane->first.pop_front();
    }
    if (const auto before = lane->lines.first_before())
      received_through = std::min(received_through, *before - 1);
    return received_through;
  }

  bool OnRefusedEvent(Lane* lane, uint32_t begin) {
    Shard* refused = nullptr;
    uint64_t sequence = 0;
    uint32_t nearest = lane->sent - begin;
    for (Shard& shard : shards_) {
      if (shard.lane != lane) continue;
      const auto candidate = shard.log.EndingAfter(begin);
      if (!candidate) continue;
      const uint32_t distance = *shard.log.PositionOf(*candidate) - begin;
      if (distance > nearest) continue;
      nearest = distance;
      refused = &shard;
      sequence = *candidate;
    }
    if (refused == nullptr) return false;
    std::string record;
    SettleEvents(refused, sequence, sequence, [&](const EventView& event) { AppendEvent(event, &record); });
    std::string_view rest = record;
    EventView event;
    if (!ReadEvent(&rest, &event)) return true;
    {
      const LogAbout about(
          {.shard = event.shard, .hub = event.hub, .connection = ConnectionId{gateway_, event.connection}});
      SPDLOG_ERROR("{} cannot read an event (sequence {}, kind {}, {} bytes): it is dropped",
                   lane->link->name(), event.sequence, static_cast<int>(event.kind), event.payload.size());
    }
    edge_->OnUnreadable(event);
    edge_->OnSettled(event);
    return true;
  }

  bool OnBatch(Lane* lane, link::ToGateway* batch) {
    if (!ev_is_active(&acknowledge_timer_)) ev_timer_again(loop_, &acknowledge_timer_);
    bool sound = true;
    for (const link::Durable& durable : batch->durable()) {
      if (durable.shard() >= shards_.size()) {
        sound = false;
        continue;
      }
      Shard& shard = shards_[durable.shard()];
      if (durable.epoch() >= shard.known_epoch) shard.commits = durable.commits();
    }
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

  static void OnLineTimer(struct ev_loop*, ev_timer* timer, int) {
    static_cast<Links*>(timer->data)->LookAtLines();
  }

  void LookAtLinesLater(const Lane& lane) {
    if (!lane.lines.empty() && !ev_is_active(&line_timer_)) ev_timer_again(loop_, &line_timer_);
  }

  void LookAtLines() {
    bool any = false;
    for (const auto& [key, lane] : lanes_) {
      if (lane->lines.empty()) continue;
      any = true;
      if (++lane->looks > kLineLooks) lane->DealtWith(lane->sent);
    }
    if (!any) ev_timer_stop(loop_, &line_timer_);
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
      if (IsSecondOwner(&shards_[i], lane, epoch)) continue;
      if (epoch > shards_[i].epoch || (epoch == shards_[i].epoch && !HasLivingOwner(shards_[i]))) {
        if (epoch != shards_[i].epoch || lane != shards_[i].lane)
          Assign(static_cast<ShardId>(i), lane, epoch);
      }
    }
    DropUnusedLanes(map);
    TellProfiles(map);
  }

  // An epoch has one owner. Where another one speaks of it the store has gone back in time: it is to have an
  // epoch of its own, or nobody could tell what comes from whom.
  bool IsSecondOwner(Shard* shard, const Lane* lane, uint32_t epoch) const {
    if (epoch != shard->epoch || lane == shard->lane || lane == &nowhere_ || shard->lane == &nowhere_)
      return false;
    shard->known_epoch = std::max(shard->known_epoch, epoch + 1);
    return true;
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

  static bool IsTooLarge(const EventView& event, size_t tail) {
    const size_t payload = event.payload.size() + tail;
    if (event.hub.size() + payload <= kMaxEventBytes) return false;
    const LogAbout about({.hub = event.hub});
    SPDLOG_ERROR("an event of {} bytes is too large to be forwarded", payload);
    return true;
  }

  // Fills in what follows from its hub.
  Shard& ShardFor(EventView* event) {
    event->shard = ShardOf(event->hub, static_cast<uint32_t>(shards_.size()));
    Shard& shard = shards_[event->shard];
    event->epoch = shard.epoch;
    return shard;
  }

  Room RoomFor(Shard* shard) const {
    shard->congested |= shard->bytes() >= RoomOf(*shard->lane);
    return shard->congested ? Room::kCongested : Room::kPlenty;
  }

  Room StandInLine(Shard* shard, const EventView& event, SharedTail tail) {
    Lane& lane = *shard->lane;
    const uint64_t before = IsReturn(event.kind) ? NextBatch(lane) : 0;
    const size_t bytes = lane.lines.Append(event, std::move(tail), before);
    lane.unsettled_bytes += bytes;
    shard->in_line_bytes += bytes;
    ++unsettled_;
    LookAtLinesLater(lane);
    return RoomFor(shard);
  }

  // It is numbered now.
  void LeaveLine(Lane* lane, FairLines::Waiting event) {
    EventView view = event.view();
    Shard& shard = ShardFor(&view);
    shard.in_line_bytes -= event.bytes();
    lane->unsettled_bytes -= event.bytes();
    lane->unsettled_bytes += shard.log.Append(view, std::move(event.tail));
    Enqueue(view.shard);
    if (event.before != 0) GoesBefore(event.before, lane, view.shard, shard.epoch);
  }

  // The batch that the lane's next delivery comes with, or that is being delivered; 0: the shard of what
  // stands there has no owner.
  static uint64_t NextBatch(const Lane& lane) {
    return lane.link == nullptr ? 0 : lane.link->received_through() + 1;
  }
  static uint64_t FirstUnacknowledged(const Lane& lane) {
    return lane.link == nullptr ? 0 : lane.link->acknowledged_through() + 1;
  }

  // Numbered events of shards in turn, up to the size of a batch.
  void TakeNumbered(Lane* lane, std::string* batch) {
    while (!lane->unsent.empty() && batch->size() < kBatchBytes) {
      const ShardId id = lane->unsent.front();
      lane->unsent.pop_front();
      Shard& shard = shards_[id];
      if (shard.lane != lane) continue;  // moved since
      shard.log.TakeUnsent(std::min(batch->size() + kShardTurnBytes, kBatchBytes), batch, lane->sent);
      shard.enqueued = shard.log.has_unsent();
      // Behind the others: a shard with much to say does not make them wait for all of it.
      if (shard.enqueued) lane->unsent.push_back(id);
    }
  }

  // The shard has an owner of this epoch now: it is told everything unsettled, before anything new.
  void Assign(ShardId id, Lane* lane, uint32_t epoch) {
    Shard& shard = shards_[id];
    shard.lane->unsettled_bytes -= shard.bytes();
    if (shard.lane != lane) {
      shard.lane->lines.Move(id, &lane->lines, FirstUnacknowledged(*lane));
      LookAtLinesLater(*lane);
    }
    --shard.lane->shards;
    ++lane->shards;
    shard.lane = lane;
    shard.epoch = epoch;
    shard.known_epoch = std::max(shard.known_epoch, epoch);
    lane->unsettled_bytes += shard.bytes();
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
    if (lane->link != nullptr) GoesBefore(NextBatch(*lane), lane, id, epoch);
  }

  void GoesBefore(uint64_t batch, Lane* lane, ShardId id, uint32_t epoch) {
    const uint64_t last_sequence = shards_[id].log.last_sequence();
    // What stood in line is not of the latest batch.
    auto at = lane->first.end();
    while (at != lane->first.begin() && std::prev(at)->batch > batch) --at;
    if (at != lane->first.begin()) {
      Lane::Precedence& last = *std::prev(at);
      if (last.batch == batch && last.shard == id && last.epoch == epoch) {
        last.sequence = last_sequence;
        return;
      }
    }
    lane->first.insert(at, {batch, id, epoch, last_sequence});
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
    if (!shard->congested || 2 * shard->bytes() > RoomOf(*shard->lane)) return;
    shard->congested = false;
    uncongested_ = true;  // its sockets may be read again
  }

  // `lane` has dealt with this event, so with all that it was sent before.
  static void DealtWith(Lane* lane, const Shard& shard, uint64_t sequence) {
    if (shard.lane != lane || lane->sent == lane->dealt_with) return;
    if (const auto position = shard.log.PositionOf(sequence)) lane->DealtWith(*position);
  }

  void SettleEvents(Shard* shard, uint64_t first, uint64_t last) {
    SettleEvents(shard, first, last, [this](const EventView& event) { edge_->OnSettled(event); });
  }

  void SettleEvents(Shard* shard, uint64_t first, uint64_t last,
                    absl::FunctionRef<void(const EventView&)> on_settled) {
    const size_t before = shard->log.unsettled();
    shard->lane->unsettled_bytes -= shard->log.Settle(first, last, on_settled);
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
    CountedBatch counted(config_.batch_deliveries);
    while (at != end) {
      if (!ReadDelivery(&at, end, &delivery)) return *sound = false;
      counted.Add();
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
        DealtWith(lane, cause, delivery.cause.sequence);
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
      DealtWith(lane, shard, settled.last());
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
  ev_timer line_timer_;  // while anybody stands in line
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
  std::map<uint64_t, Looked> looks_;  // by number
  uint64_t looks_asked_ = 0;
};

void Lane::OnGreeted(bool resumed) { links->OnGreeted(this, resumed); }
bool Lane::OnOwned(const link::ToGateway& message, bool greeting) {
  return links->OnOwned(this, message, greeting);
}
bool Lane::OnBatch(link::ToGateway* batch) { return links->OnBatch(this, batch); }
void Lane::OnLooks(const link::ToGateway& message) { links->OnLooks(*this, message); }
void Lane::TakeEvents(std::string* batch) { links->TakeEvents(this, batch); }
uint64_t Lane::AcknowledgeableThrough(uint64_t received_through) {
  return links->AcknowledgeableThrough(this, received_through);
}
bool Lane::OnRefusedEvent(uint32_t begin) { return links->OnRefusedEvent(this, begin); }

}  // namespace

std::unique_ptr<StatekeeperLinks> NewStatekeeperLinks(StatekeeperLinks::Config config, struct ev_loop* loop,
                                                      StatekeeperLinks::Edge* edge) {
  return std::make_unique<Links>(std::move(config), loop, edge);
}

}  // namespace dormouse
